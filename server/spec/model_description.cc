#include "server/spec/model_description.h"

#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/core/dataset_info.h"
#include "server/spec/text.h"

namespace anneal {
namespace {

constexpr int32_t kModelFormat = 1;

// A catalog of the one data set that a network was trained on, as it was then.
class TrainedDatasetCatalog final : public DatasetCatalog {
 public:
  explicit TrainedDatasetCatalog(const v1::ModelDescription::TrainedDataset& dataset) {
    info_.name = dataset.name();
    info_.format = dataset.format();
    info_.shape.assign(dataset.shape().begin(), dataset.shape().end());
    info_.class_names.assign(dataset.class_names().begin(), dataset.class_names().end());
    for (const auto& split : dataset.splits())
      info_.splits.push_back({split.name(), split.samples()});
  }

  std::vector<std::string> Names() const override { return {info_.name}; }
  absl::StatusOr<DatasetInfo> Describe(std::string_view name) const override {
    if (name == info_.name) return info_;
    return absl::NotFoundError(
        absl::StrCat("the network was trained on ", Quote(info_.name), ", not ", Quote(name)));
  }

 private:
  DatasetInfo info_;
};

}  // namespace

v1::ModelDescription DescribeModel(const ValidatedSpec& spec, int64_t epoch,
                                   const std::string& weights_sha256,
                                   const std::string& fingerprint) {
  v1::ModelDescription description;
  description.set_format(kModelFormat);
  *description.mutable_training() = spec.training();
  v1::ModelDescription::TrainedDataset& dataset = *description.mutable_dataset();
  dataset.set_name(spec.dataset().name);
  dataset.set_format(spec.dataset().format);
  for (const int64_t side : spec.dataset().shape) dataset.add_shape(side);
  for (const std::string& name : spec.dataset().class_names) dataset.add_class_names(name);
  for (const SplitInfo& split : spec.dataset().splits) {
    auto& added = *dataset.add_splits();
    added.set_name(split.name);
    added.set_samples(split.samples);
  }
  description.set_epoch(epoch);
  description.set_weights_sha256(weights_sha256);
  description.set_fingerprint(fingerprint);
  return description;
}

absl::StatusOr<ValidatedSpec> SpecOfModel(const std::string& description) {
  v1::ModelDescription model;
  if (!model.ParseFromString(description)) {
    return absl::InvalidArgumentError(
        absl::StrCat("whose checkpoint has a description of ", description.size(),
                     " bytes that cannot be read"));
  }
  if (model.format() != kModelFormat) {
    return absl::InvalidArgumentError(
        absl::StrCat("whose checkpoint has format ", model.format(), "; this server knows format ",
                     kModelFormat));
  }
  v1::JobSpec spec;
  *spec.mutable_training() = model.training();
  const ValidationResult judged = Validate(spec, TrainedDatasetCatalog(model.dataset()));
  if (judged.spec.has_value()) return *judged.spec;
  return absl::InvalidArgumentError(
      absl::StrCat("whose network this server does not accept any more: ",
                   judged.violations[0].field, " ", judged.violations[0].description));
}

}  // namespace anneal
