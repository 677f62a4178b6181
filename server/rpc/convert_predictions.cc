#include "server/rpc/convert_predictions.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "server/rpc/utf8.h"

namespace anneal {

v1::PredictionSet ToProto(const PredictionSet& set) {
  v1::PredictionSet proto;
  proto.set_job_id(absl::StrCat(set.job_id));
  proto.set_model_job_id(absl::StrCat(set.model_job_id));
  proto.set_checkpoint_sha256(set.checkpoint_sha256);
  proto.set_dataset(ToUtf8(set.dataset));
  proto.set_split(ToUtf8(set.split));
  proto.set_samples(set.samples);
  proto.set_seed(set.seed);
  proto.set_consistent_masks(set.consistent_masks);
  proto.set_keeps_samples(set.keeps_samples);
  proto.set_begin(set.begin);
  proto.set_images(set.images);
  proto.set_stored(set.stored);
  for (const std::string& name : set.class_names) proto.add_class_names(ToUtf8(name));
  return proto;
}

v1::Prediction ToProto(const PredictionRow& row) {
  v1::Prediction proto;
  proto.set_image(row.image);
  proto.set_label(row.fact(ImageFact::kLabel));
  proto.set_predicted(row.fact(ImageFact::kPredicted));
  proto.set_confidence(row.measure(Measure::kConfidence));
  proto.set_entropy(row.measure(Measure::kEntropy));
  proto.set_expected_entropy(row.measure(Measure::kExpectedEntropy));
  proto.set_mutual_information(row.measure(Measure::kMutualInformation));
  proto.set_variation_ratio(row.measure(Measure::kVariationRatio));
  proto.set_margin(row.measure(Measure::kMargin));
  proto.set_nll(row.measure(Measure::kNll));
  proto.set_brier(row.measure(Measure::kBrier));
  proto.mutable_probabilities()->Add(row.probabilities.begin(), row.probabilities.end());
  proto.mutable_deviations()->Add(row.deviations.begin(), row.deviations.end());
  proto.set_deterministic_predicted(row.fact(ImageFact::kDeterministicPredicted));
  proto.mutable_deterministic_probabilities()->Add(row.deterministic_probabilities.begin(),
                                                   row.deterministic_probabilities.end());
  proto.mutable_sample_probabilities()->Add(row.sample_probabilities.begin(),
                                            row.sample_probabilities.end());
  return proto;
}

v1::SetMeasures ToProto(const SetMeasures& measures) {
  v1::SetMeasures proto;
  proto.set_accuracy(measures.accuracy);
  proto.set_nll(measures.nll);
  proto.set_brier(measures.brier);
  proto.set_ece(measures.ece);
  for (const CalibrationBin& bin : measures.bins) {
    v1::SetMeasures::CalibrationBin* added = proto.add_bins();
    added->set_lower(bin.lower);
    added->set_upper(bin.upper);
    added->set_images(bin.images);
    added->set_accuracy(bin.accuracy);
    added->set_confidence(bin.confidence);
  }
  for (const Coverage& coverage : measures.coverages) {
    v1::SetMeasures::Coverage* added = proto.add_coverages();
    added->set_coverage(coverage.coverage);
    added->set_images(coverage.images);
    added->set_accuracy(coverage.accuracy);
    added->set_threshold(coverage.threshold);
  }
  if (measures.aurc.has_value()) proto.set_aurc(*measures.aurc);
  for (const MeasureSummary& summary : measures.measures) {
    v1::SetMeasures::MeasureSummary* added = proto.add_measures();
    added->set_name(std::string(MeasureName(summary.measure)));
    if (summary.right.has_value()) added->set_right(*summary.right);
    if (summary.wrong.has_value()) added->set_wrong(*summary.wrong);
    if (summary.auroc.has_value()) added->set_auroc(*summary.auroc);
  }
  return proto;
}

v1::Uncertainty ToProto(const Uncertainty& uncertainty) {
  v1::Uncertainty proto;
  *proto.mutable_set() = ToProto(uncertainty.set);
  *proto.mutable_deterministic() = ToProto(uncertainty.deterministic);
  if (uncertainty.monte_carlo.has_value()) {
    *proto.mutable_monte_carlo() = ToProto(*uncertainty.monte_carlo);
  }
  return proto;
}

}  // namespace anneal
