#include "server/scheduler/prediction_summary.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/core/status_macros.h"
#include "server/core/strings.h"

namespace anneal {
namespace {

void AddSetMeasures(const std::string& prefix, const SetMeasures& measures,
                    std::vector<MetricValue>& metrics) {
  metrics.push_back({prefix + "accuracy", measures.accuracy});
  metrics.push_back({prefix + "brier", measures.brier});
  metrics.push_back({prefix + "ece", measures.ece});
  metrics.push_back({prefix + "nll", measures.nll});
}

}  // namespace

absl::StatusOr<Uncertainty> SummarizePredictions(Store& store, JobId id,
                                                 const UncertaintyOptions& options) {
  ASSIGN_OR_RETURN(PredictionSet set, store.GetPredictionSet(id));
  if (options.bins < 1) {
    return absl::InvalidArgumentError(absl::StrCat(options.bins, " bins; there is at least 1"));
  }
  const absl::string_view rank_by = ToAbsl(MeasureName(options.rank_by));
  if (!IsKnownWithoutLabel(options.rank_by)) {
    return absl::InvalidArgumentError(
        absl::StrCat("images cannot be ranked by ", rank_by, ", which needs their label"));
  }
  if (set.samples == 0 && NeedsSamples(options.rank_by)) {
    return absl::InvalidArgumentError(
        absl::StrCat("images cannot be ranked by ", rank_by,
                     ", which compares samples: the predictions of job ", id, " are without"));
  }
  const int64_t classes = set.classes();
  UncertaintyBuilder builder(std::move(set), options);
  RETURN_IF_ERROR(store.ReadPredictions(id, [&](const PredictionChunk& chunk) {
    const std::vector<int32_t>& labels = chunk.fact(ImageFact::kLabel);
    for (size_t i = 0; i < labels.size(); ++i) {
      if (labels[i] >= 0 && labels[i] < classes) continue;
      return absl::DataLossError(absl::StrCat("the predictions of job ", id, " are damaged: image ",
                                              chunk.begin + static_cast<int64_t>(i),
                                              " has the label ", labels[i], " of ", classes));
    }
    builder.Add(chunk);
    return absl::OkStatus();
  }));
  if (builder.images() == 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("job ", id, " has stored no predictions yet"));
  }
  return builder.Finish();
}

absl::StatusOr<TrainingResult> PredictionResult(Store& store, JobId id) {
  ASSIGN_OR_RETURN(const Uncertainty all, SummarizePredictions(store, id));
  TrainingResult result;
  AddSetMeasures("", all.monte_carlo.has_value() ? *all.monte_carlo : all.deterministic,
                 result.metrics);
  if (all.monte_carlo.has_value())
    AddSetMeasures("deterministic_", all.deterministic, result.metrics);
  return result;
}

}  // namespace anneal
