#include "tests/fault/model/report.h"

#include <algorithm>
#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/fault/model/job_check.h"

namespace anneal::model {
namespace {

class Lines {
 public:
  template <typename... Parts>
  void Add(int64_t time_us, const Parts&... parts) {
    lines_.emplace_back(time_us, absl::StrCat(parts...));
  }

  std::string Text(int64_t zero_us) {
    std::stable_sort(lines_.begin(), lines_.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    std::string text;
    for (const auto& [time_us, line] : lines_) {
      absl::StrAppendFormat(&text, "%10.3f ms  %s\n",
                            static_cast<double>(time_us - zero_us) / 1000.0, line);
    }
    return text;
  }

 private:
  std::vector<std::pair<int64_t, std::string>> lines_;
};

std::string What(const Operation& operation) {
  if (operation.key < 0) return std::string(CallName(operation.call));
  return absl::StrCat(std::string(CallName(operation.call)), " ", JobName(operation.key),
                      operation.id.empty() ? "" : absl::StrCat(" (job ", operation.id, ")"));
}

std::string Answer(const Operation& operation) {
  if (operation.outcome == Operation::Outcome::kUnknown)
    return "nobody knows: the connection broke";
  if (operation.outcome == Operation::Outcome::kRefused)
    return absl::StrCat("refused: ", operation.error);
  if (operation.call == Call::kDelete) return "OK";
  if (operation.call == Call::kMetrics) return absl::StrCat(operation.epochs.size(), " epochs");
  if (operation.call != Call::kList) {
    return absl::StrCat("job ", operation.job.id(), " ", v1::Job::State_Name(operation.job.state()),
                        ", attempts ", operation.job.attempt_count());
  }
  std::string text = "listed:";
  for (const v1::Job& job : operation.listed)
    absl::StrAppend(&text, " ", job.id(), " ", v1::Job::State_Name(job.state()), ";");
  return text;
}

void AddOperations(const HistoryRecord& history, Lines& lines) {
  for (const Operation& operation : history.operations) {
    const std::string who = operation.client == kLastClient
                                ? std::string("last client")
                                : absl::StrCat("client ", operation.client);
    lines.Add(operation.begin_us, who, "  > ", What(operation));
    lines.Add(operation.end_us, who, "  < ", What(operation), ": ", Answer(operation));
  }
  for (size_t i = 0; i < history.watches.size(); ++i) {
    for (const WatchedEvent& seen : history.watches[i].events) {
      lines.Add(seen.time_us, "watcher ", i, " of ", JobName(history.watches[i].key), "  < event ",
                seen.event.sequence());
    }
  }
}

void AddEvents(const JobRecord& job, Lines& lines) {
  for (const v1::JobEvent& event : job.log) {
    std::string what;
    if (event.has_state_change()) {
      what = absl::StrCat(v1::Job::State_Name(event.state_change().state()), ", attempt ",
                          event.state_change().attempt(), " ", event.state_change().message());
    } else if (event.has_epoch()) {
      what = absl::StrCat("epoch ", event.epoch().epoch());
    } else {
      what = event.ShortDebugString();
    }
    lines.Add(TimeOf(event), "    store: job ", job.id, " event ", event.sequence(), " ", what);
  }
}

void AddWork(const BatchRecord& batch, const std::set<int64_t>& keys, Lines& lines) {
  for (const WorkRecord& record : batch.work) {
    if (!keys.contains(record.job)) continue;
    static constexpr const char* kWhat[] = {"",
                                            "begins after step",
                                            "begins the step after",
                                            "has kept the state after step",
                                            "found a damaged state, at step",
                                            "returns after step",
                                            "has stopped after step"};
    lines.Add(record.time_us, "    engine: ", JobName(record.job), " (process ", record.generation,
              ", run ", record.run, ") ", kWhat[static_cast<size_t>(record.kind)], " ",
              record.steps);
  }
}

}  // namespace

std::string Describe(const BatchRecord& batch, size_t history) {
  const HistoryRecord& record = batch.histories[history];
  Lines lines;
  int64_t zero_us = 0;
  for (const Generation& each : batch.generations) {
    if (zero_us == 0) zero_us = each.start_us;
    lines.Add(each.start_us, "==== process ", each.number, " begins");
    if (each.ready_us != 0) lines.Add(each.ready_us, "==== process ", each.number, " takes calls");
    if (each.killed_us != 0) lines.Add(each.killed_us, "==== process ", each.number, " is killed");
  }
  AddOperations(record, lines);
  std::set<int64_t> keys;
  std::string jobs;
  for (const JobRecord& job : record.jobs) {
    keys.insert(job.plan.key);
    AddEvents(job, lines);
    absl::StrAppend(&jobs, "  ", job.plan.name, ": job '", job.id, "', seed ", job.plan.seed,
                    ", epochs ", job.plan.epochs, ", priority ", job.plan.priority,
                    ", request id '", job.plan.request_id, "'\n");
  }
  AddWork(batch, keys, lines);
  return absl::StrCat("history ", history, " of batch ", batch.plan.number, ", ",
                      batch.plan.workers, " workers, ", batch.plan.kills.size(), " kills\n", jobs,
                      lines.Text(zero_us));
}

}  // namespace anneal::model
