#include "tests/fault/model/coverage.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/fault/model/job_check.h"

namespace anneal::model {
namespace {

void AddJob(const JobRecord& job, const BatchRecord& batch,
            std::map<std::string, int64_t>& counts) {
  const std::vector<Change> changes = ChangesOf(job.log);
  for (size_t i = 0; i < changes.size(); ++i) {
    const std::string to = v1::Job::State_Name(changes[i].state);
    if (i > 0) ++counts[absl::StrCat(v1::Job::State_Name(changes[i - 1].state), " to ", to)];
    for (const Generation& each : batch.generations) {
      const bool last = i + 1 == changes.size();
      if (each.killed_us > changes[i].time_us && !last && each.killed_us < changes[i + 1].time_us)
        ++counts[absl::StrCat("killed while ", to)];
    }
    if (changes[i].state != v1::Job::PAUSING && changes[i].state != v1::Job::CANCELLING) continue;
    // Whether the worker had begun the attempt, and not yet the training.
    const auto begun =
        std::find_if(batch.work.begin(), batch.work.end(), [&](const WorkRecord& record) {
          return record.job == job.plan.key && record.kind == WorkRecord::Kind::kBegin &&
                 record.time_us > changes[i].time_us &&
                 (i + 1 == changes.size() || record.time_us < changes[i + 1].time_us);
        });
    if (begun != batch.work.end()) ++counts[absl::StrCat(to, " before the training began")];
  }
}

}  // namespace

void AddCoverage(const BatchRecord& batch, std::map<std::string, int64_t>& counts) {
  for (const HistoryRecord& history : batch.histories) {
    for (const JobRecord& job : history.jobs) {
      if (job.log_is_whole) AddJob(job, batch, counts);
    }
    for (const Operation& operation : history.operations) {
      const std::string call(CallName(operation.call));
      if (operation.outcome == Operation::Outcome::kUnknown)
        ++counts[absl::StrCat(call, ": answer lost")];
      if (operation.outcome == Operation::Outcome::kRefused)
        ++counts[absl::StrCat(call, ": refused, ", operation.reason)];
    }
  }
  for (const Generation& each : batch.generations) {
    if (each.killed_us != 0 && each.ready_us == 0) ++counts["killed while starting"];
  }
  for (const WorkRecord& record : batch.work) {
    if (record.kind == WorkRecord::Kind::kKept) ++counts["states kept"];
    if (record.kind == WorkRecord::Kind::kBegin && record.steps > 0)
      ++counts["trainings that went on from a state"];
  }
}

}  // namespace anneal::model
