#include "server/rpc/sweep_result.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/core/status_macros.h"
#include "server/rpc/convert.h"
#include "server/spec/defaults.h"
#include "server/spec/sweep.h"

namespace anneal {

v1::SweepResult Rank(const std::string& monitor, bool larger_is_better,
                     std::vector<TrialRow> trials) {
  std::stable_sort(trials.begin(), trials.end(), [&](const TrialRow& a, const TrialRow& b) {
    if (a.best.has_value() != b.best.has_value()) return a.best.has_value();
    if (!a.best.has_value() || *a.best == *b.best) return a.number < b.number;
    return larger_is_better ? *a.best > *b.best : *a.best < *b.best;
  });
  v1::SweepResult result;
  result.set_monitor(monitor);
  result.set_larger_is_better(larger_is_better);
  int64_t rank = 0;
  for (size_t i = 0; i < trials.size(); ++i) {
    const TrialRow& trial = trials[i];
    v1::SweepResult::RankedTrial* ranked = result.add_trials();
    ranked->set_job_id(absl::StrCat(trial.id));
    ranked->set_number(trial.number);
    for (const TrialSetting& setting : trial.settings) *ranked->add_settings() = ToProto(setting);
    ranked->set_state(std::string(JobStateName(trial.state)));
    if (!trial.best.has_value()) continue;
    if (i == 0 || *trials[i - 1].best != *trial.best) rank = static_cast<int64_t>(i) + 1;
    ranked->set_rank(rank);
    ranked->set_best(*trial.best);
    ranked->set_best_epoch(trial.best_epoch);
  }
  return result;
}

absl::StatusOr<v1::SweepResult> SweepResultOf(Store& store, JobId id, const v1::JobSpec& spec) {
  TrialQuery query;
  query.sweep_id = id;
  query.monitor = defaults::Monitor(spec.sweep(), spec.training());
  query.larger_is_better = LargerIsBetter(spec.sweep(), query.monitor);
  ASSIGN_OR_RETURN(std::vector<TrialRow> trials, store.ListTrials(query));
  return Rank(query.monitor, query.larger_is_better, std::move(trials));
}

}  // namespace anneal
