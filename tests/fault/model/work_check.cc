#include "tests/fault/model/work_check.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/fault/model/chain_training.h"
#include "tests/fault/model/serve.h"

namespace anneal::model {
namespace {

std::string ReadWhole(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return std::move(out).str();
}

// A cancelled or paused job never runs.
void CheckSteps(const JobRecord& job, const BatchRecord& batch, const std::vector<Change>& changes,
                std::vector<std::string>& problems) {
  for (const WorkRecord& record : batch.work) {
    if (record.job != job.plan.key || record.kind != WorkRecord::Kind::kStep) continue;
    const auto next = std::find_if(changes.begin(), changes.end(), [&](const Change& change) {
      return change.time_us > record.time_us;
    });
    const v1::Job::State state =
        next == changes.begin() ? v1::Job::STATE_UNSPECIFIED : std::prev(next)->state;
    if (IsActiveState(state)) continue;
    problems.push_back(AboutJob(job, absl::StrCat("the engine began step ", record.steps + 1,
                                                  " while it was ", v1::Job::State_Name(state))));
    return;
  }
}

void CheckFiles(const JobRecord& job, const HistoryRecord& history, const BatchRecord& batch,
                const std::vector<Change>& changes, std::vector<std::string>& problems) {
  if (!job.last.has_value()) {
    const bool deleted = std::any_of(
        history.operations.begin(), history.operations.end(), [&](const Operation& operation) {
          return operation.key == job.plan.key && operation.call == Call::kDelete &&
                 operation.outcome == Operation::Outcome::kOk;
        });
    std::error_code ignored;
    if (deleted && std::filesystem::exists(ArtifactPath(batch.folder, job.id), ignored))
      problems.push_back(AboutJob(job, "it was deleted, and its files are still there"));
    return;
  }
  if (changes.back().state != v1::Job::SUCCEEDED) return;
  const ChainReference reference = ReferenceOf(PlanOf(job.plan.seed, job.plan.epochs));
  const std::string contents = ReadWhole(ArtifactPath(batch.folder, job.id + "/final.safetensors"));
  if (contents != FinalWeightsText(reference.end.result)) {
    problems.push_back(AboutJob(job, absl::StrCat("the file of its weights has '", contents, "'")));
  }
  if (job.last->checkpoint().bytes() != static_cast<int64_t>(contents.size())) {
    problems.push_back(AboutJob(job, absl::StrCat("the row of its weights says ",
                                                  job.last->checkpoint().bytes(), " bytes")));
  }
}

}  // namespace

std::vector<std::string> CheckWorkOf(const JobRecord& job, const HistoryRecord& history,
                                     const BatchRecord& batch, const std::vector<Change>& changes) {
  std::vector<std::string> problems;
  if (changes.empty()) return problems;
  CheckSteps(job, batch, changes, problems);
  CheckFiles(job, history, batch, changes, problems);
  return problems;
}

std::vector<std::string> CheckRunsOf(const JobRecord& job, const BatchRecord& batch) {
  std::vector<std::string> problems;
  std::set<std::pair<int64_t, int64_t>> open;  // generation and run
  int64_t kept = 0;
  for (const WorkRecord& record : batch.work) {
    if (record.job != job.plan.key) continue;
    const std::pair run(record.generation, record.run);
    switch (record.kind) {
      case WorkRecord::Kind::kBegin:
        std::erase_if(open, [&](const auto& each) { return each.first < record.generation; });
        if (!open.empty()) problems.push_back(AboutJob(job, "two trainings of it went on at once"));
        if (record.steps < kept) {
          problems.push_back(AboutJob(
              job, absl::StrCat("a training went on after step ", record.steps,
                                " although the state after step ", kept, " had been kept")));
        }
        open.insert(run);
        break;
      case WorkRecord::Kind::kKept:
        kept = std::max(kept, record.steps);
        break;
      case WorkRecord::Kind::kDamaged:
        problems.push_back(AboutJob(job, "a state that was kept is damaged"));
        break;
      case WorkRecord::Kind::kStopped:
        kept = std::max(kept, record.steps);
        open.erase(run);
        break;
      case WorkRecord::Kind::kEnd:
        open.erase(run);
        break;
      case WorkRecord::Kind::kStep:
        break;
    }
  }
  return problems;
}

}  // namespace anneal::model
