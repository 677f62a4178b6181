#include "storage/reads.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/core/status_macros.h"
#include "server/core/strings.h"
#include "storage/curve_rows.h"
#include "storage/event_rows.h"
#include "storage/job_rows.h"
#include "storage/sql.h"
#include "storage/sqlite_status.h"

namespace anneal {
namespace {

constexpr int64_t kMaxInt64 = std::numeric_limits<int64_t>::max();

// A negative LIMIT would mean none to SQLite.
int64_t Limit(int64_t limit) { return std::max<int64_t>(limit, 0); }

bool HasJob(Connection& connection, JobId id) {
  return Query(connection, sql::kJobState).Bind(id).Step();
}

std::vector<Attempt> ReadAttempts(Connection& connection, JobId id) {
  std::vector<Attempt> attempts;
  Query query(connection, sql::kAttempts);
  query.Bind(id);
  while (query.Step()) {
    Attempt& attempt = attempts.emplace_back();
    attempt.number = query.Int64(0);
    attempt.start_time_us = query.Int64(1);
    attempt.end_time_us = query.Int64(2);
    attempt.outcome = query.Text(3);
    attempt.fingerprint = query.Text(4);
    if (!query.IsNull(5))
      attempt.time_spent = {query.Int64(5), query.Int64(6), query.Int64(7), query.Int64(8)};
  }
  return attempts;
}

// Without the curve of a range test.
std::optional<TrainingResult> ReadResult(Connection& connection, JobId id) {
  TrainingResult result;
  Query query(connection, sql::kResult);
  query.Bind(id);
  if (!query.Step()) return std::nullopt;
  result.epochs = query.Int64(0);
  result.best_epoch = query.Int64(1);
  result.weights_sha256 = query.Text(2);
  Query metrics(connection, sql::kResultMetrics);
  metrics.Bind(id);
  while (metrics.Step()) result.metrics.push_back({metrics.Text(0), metrics.Double(1)});
  return result;
}

// after < epoch <= last. Two scans in the order of the keys, merged.
std::vector<EpochRecord> ReadEpochRange(Connection& connection, JobId id, int64_t after,
                                        int64_t last, int64_t limit) {
  std::vector<EpochRecord> epochs;
  Query query(connection, sql::kEpochs);
  query.Bind(id).Bind(after).Bind(last).Bind(limit);
  while (query.Step()) {
    EpochRecord& record = epochs.emplace_back();
    record.epoch = query.Int64(0);
    record.attempt = query.Int64(1);
    record.time_us = query.Int64(2);
    record.duration_us = query.Int64(3);
  }
  if (epochs.empty()) return epochs;
  Query metrics(connection, sql::kEpochMetrics);
  metrics.Bind(id).Bind(after).Bind(epochs.back().epoch);
  auto record = epochs.begin();
  while (metrics.Step()) {
    while (record->epoch < metrics.Int64(0)) ++record;  // a metric has an epoch: a foreign key
    record->metrics.push_back({metrics.Text(1), metrics.Double(2)});
  }
  return epochs;
}

}  // namespace

absl::Status NoSuchJob(JobId id) { return absl::NotFoundError(absl::StrCat("no job ", id)); }

std::optional<StateRow> ReadState(Connection& connection, JobId id) {
  Query query(connection, sql::kJobState);
  query.Bind(id);
  if (!query.Step()) return std::nullopt;
  return StateRow{static_cast<JobState>(query.Int64(0)), query.Int64(1)};
}

absl::Status CheckAttemptOpen(Connection& connection, JobId id, int64_t attempt) {
  const std::optional<StateRow> row = ReadState(connection, id);
  if (!row) return NoSuchJob(id);
  Query open(connection, sql::kOpenAttempt);
  open.Bind(id);
  if (IsActive(row->state) && open.Step() && open.Int64(0) == attempt) return absl::OkStatus();
  return absl::AbortedError(absl::StrCat("attempt ", attempt, " of job ", id,
                                         " is not running: the job is ",
                                         ToAbsl(JobStateName(row->state))));
}

absl::StatusOr<Job> ReadJob(Connection& connection, JobId id) {
  Query query(connection, sql::kJob);
  query.Bind(id);
  if (!query.Step()) return NoSuchJob(id);
  Job job = ReadJobRow(query);
  Query spec(connection, sql::kSpec);
  spec.Bind(id);
  if (!spec.Step()) {
    return DamagedStatus(connection.path(), absl::StrCat("job ", id, " has no specification"));
  }
  job.spec = spec.Text(0);
  job.attempts = ReadAttempts(connection, id);
  job.result = ReadResult(connection, id);
  if (job.result.has_value()) job.result->learning_rate_curve = ReadCurve(connection, id);
  ReadSettings(connection, job);
  ReadLabels(connection, job);
  return job;
}

std::vector<Job> ReadQueued(Connection& connection) {
  std::vector<Job> jobs;
  Query query(connection, sql::kQueuedJobs);
  while (query.Step()) jobs.push_back(ReadJobRow(query));
  return jobs;
}

std::vector<JobDeadline> ReadDeadlines(Connection& connection) {
  std::vector<JobDeadline> deadlines;
  Query query(connection, sql::kDeadlines);
  while (query.Step()) deadlines.push_back({query.Int64(0), query.Int64(1)});
  return deadlines;
}

std::vector<JobId> ReadTrialIds(Connection& connection, JobId sweep_id) {
  std::vector<JobId> ids;
  Query query(connection, sql::kTrialIds);
  query.Bind(sweep_id);
  while (query.Step()) ids.push_back(query.Int64(0));
  return ids;
}

std::vector<TrialRow> ReadTrials(Connection& connection, const TrialQuery& query) {
  std::vector<TrialRow> trials;
  {
    Query rows(connection, sql::kTrials);
    rows.Bind(query.sweep_id)
        .BindText(query.monitor)
        .Bind(int64_t{query.larger_is_better ? -1 : 1});
    while (rows.Step()) {
      TrialRow& trial = trials.emplace_back();
      trial.id = rows.Int64(0);
      trial.number = rows.Int64(1);
      trial.state = static_cast<JobState>(rows.Int64(2));
      trial.stop_reason = static_cast<StopReason>(rows.Int64(3));
      trial.started = rows.Int64(4) != 0;
      trial.end_told = rows.Int64(5) != 0;
      trial.best_epoch = rows.Int64(7);  // NULL, where there is none, reads as 0
      if (trial.best_epoch != 0) trial.best = rows.Double(6);
    }
  }
  Query settings(connection, sql::kSettingsOfTrials);
  settings.Bind(query.sweep_id);
  auto trial = trials.begin();
  while (settings.Step()) {
    while (trial->id != settings.Int64(0)) ++trial;  // the same order, of the same moment
    trial->settings.push_back({settings.Text(1), settings.Text(2)});
  }
  return trials;
}

std::vector<JobId> ReadOpenSweeps(Connection& connection) {
  std::vector<JobId> ids;
  Query query(connection, sql::kOpenSweeps);
  while (query.Step()) ids.push_back(query.Int64(0));
  return ids;
}

absl::StatusOr<std::vector<EpochRecord>> ReadEpochs(Connection& connection,
                                                    const EpochQuery& query) {
  if (!HasJob(connection, query.job_id)) return NoSuchJob(query.job_id);
  std::vector<EpochRecord> epochs =
      ReadEpochRange(connection, query.job_id, query.after_epoch, kMaxInt64, Limit(query.limit));
  if (query.metrics.empty()) return epochs;
  const std::unordered_set<std::string> wanted(query.metrics.begin(), query.metrics.end());
  for (EpochRecord& record : epochs) {
    std::erase_if(record.metrics,
                  [&](const MetricValue& metric) { return !wanted.contains(metric.name); });
  }
  return epochs;
}

std::vector<LastEpoch> ReadLastEpochs(Connection& connection, const std::vector<JobId>& ids) {
  const std::set<JobId> wanted(ids.begin(), ids.end());  // each once
  const std::string list = absl::StrCat("[", absl::StrJoin(wanted, ","), "]");
  std::vector<LastEpoch> epochs;
  Query query(connection, sql::kLastEpochs);
  query.BindText(list);
  while (query.Step()) {
    if (epochs.empty() || epochs.back().job_id != query.Int64(0)) {
      LastEpoch& last = epochs.emplace_back();
      last.job_id = query.Int64(0);
      last.record.epoch = query.Int64(1);
      last.record.attempt = query.Int64(2);
      last.record.time_us = query.Int64(3);
      last.record.duration_us = query.Int64(4);
    }
    const bool has_metric = query.Int64(7) != 0;  // an epoch without metrics has a row, too
    if (has_metric) epochs.back().record.metrics.push_back({query.Text(5), query.Double(6)});
  }
  return epochs;
}

absl::StatusOr<std::vector<JobEvent>> ReadEvents(Connection& connection, JobId id,
                                                 int64_t after_sequence, int64_t limit) {
  if (!HasJob(connection, id)) return NoSuchJob(id);
  std::vector<JobEvent> events;
  int64_t first_epoch = kMaxInt64;
  int64_t last_epoch = 0;
  Query query(connection, sql::kEvents);
  query.Bind(id).Bind(after_sequence).Bind(Limit(limit));
  while (query.Step()) {
    JobEvent& event = events.emplace_back();
    event.job_id = id;
    event.sequence = query.Int64(0);
    event.time_us = query.Int64(1);
    switch (static_cast<EventKind>(query.Int64(2))) {
      case EventKind::kStateChange:
        event.what = JobEvent::StateChange{static_cast<JobState>(query.Int64(3)),
                                           static_cast<StopReason>(query.Int64(4)), query.Text(6),
                                           query.Int64(5)};
        break;
      case EventKind::kEpoch: {
        const int64_t epoch = query.Int64(7);
        first_epoch = std::min(first_epoch, epoch);
        last_epoch = std::max(last_epoch, epoch);
        event.what.emplace<EpochRecord>().epoch = epoch;  // the rest follows below
        break;
      }
      case EventKind::kWarning:
        event.what = JobEvent::Warning{query.Text(6)};
        break;
      case EventKind::kResult: {
        std::optional<TrainingResult> result = ReadResult(connection, id);
        if (!result) {
          return DamagedStatus(connection.path(), absl::StrCat("job ", id, " has lost its result"));
        }
        event.what = *std::move(result);
        break;
      }
      case EventKind::kTrialEnd:
        event.what = JobEvent::TrialEnd{query.Int64(8), query.Int64(9),
                                        static_cast<JobState>(query.Int64(3))};
        break;
      case EventKind::kStateKept:
        event.what = JobEvent::StateKept{query.Int64(7), query.Int64(10), query.Int64(11)};
        break;
      case EventKind::kNote:
        event.what = JobEvent::Note{query.Text(6)};
        break;
      default:
        return DamagedStatus(connection.path(), absl::StrCat("event ", event.sequence, " of job ",
                                                             id, " is of no known kind"));
    }
  }
  if (last_epoch == 0) return events;

  std::unordered_map<int64_t, EpochRecord> epochs;
  for (EpochRecord& record :
       ReadEpochRange(connection, id, first_epoch - 1, last_epoch, kMaxInt64)) {
    const int64_t epoch = record.epoch;
    epochs.emplace(epoch, std::move(record));
  }
  for (JobEvent& event : events) {
    auto* record = std::get_if<EpochRecord>(&event.what);
    if (record == nullptr) continue;
    const auto found = epochs.find(record->epoch);
    if (found == epochs.end()) {
      return DamagedStatus(connection.path(),
                           absl::StrCat("job ", id, " has lost epoch ", record->epoch));
    }
    *record = std::move(found->second);
  }
  return events;
}

}  // namespace anneal
