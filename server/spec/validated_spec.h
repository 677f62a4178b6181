// A job spec that has been judged: the only kind the engine accepts.
//
// Validate() needs no LibTorch. It checks every field, expands `repeat`, infers every shape, counts
// parameters and estimates memory and work with overflow-safe arithmetic, and reports all
// violations at once, each with its field path as the job file writes it
// (`training.network.layers[3].dropout.rate`). What a spec may ask for at most is in limits.h.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "anneal/v1/job.pb.h"
#include "server/core/dataset_info.h"
#include "server/spec/planned_trial.h"

namespace anneal {

// Both are valid UTF-8 without control characters, whatever the client sent. After a hundred
// violations a last one with the field "..." says how many more there are.
struct Violation {
  std::string field;        // "training.batch_size"
  std::string description;  // what is wrong, the value, and what would be right
};

// A layer of the expanded network. Pointers lead into the ValidatedSpec's own copy of the spec.
struct ResolvedLayer {
  const v1::Layer* layer = nullptr;   // never a repeat
  std::string name;                   // unique: as given, or kind and counter such as "dense_3"; in a
                                      // repeat a given name is "name_2" from the second round on
  std::string path;                   // "training.network.layers[1].repeat.layers[0]"
  std::vector<int64_t> input_shape;   // without the batch: {H, W, C} or {features}
  std::vector<int64_t> output_shape;
  int64_t trainable_parameters = 0;
  int64_t non_trainable_parameters = 0;
};

// Immutable. Copies share the contents.
class ValidatedSpec {
 public:
  const v1::JobSpec& proto() const { return contents_->proto; }
  const v1::TrainingSpec& training() const { return contents_->proto.training(); }
  const DatasetInfo& dataset() const { return contents_->dataset; }
  // In order; at least one.
  const std::vector<ResolvedLayer>& layers() const { return contents_->layers; }
  // After validation is held out; at least 1.
  int64_t training_samples() const { return contents_->training_samples; }
  // 0: no validation.
  int64_t validation_samples() const { return contents_->validation_samples; }
  const v1::NetworkSummary& summary() const { return contents_->summary; }
  // Of a sweep, in order: each valid by itself. Empty otherwise.
  const std::vector<PlannedTrial>& trials() const { return contents_->trials; }

 private:
  friend class Validator;
  struct Contents {
    v1::JobSpec proto;
    DatasetInfo dataset;
    std::vector<ResolvedLayer> layers;
    int64_t training_samples = 0;
    int64_t validation_samples = 0;
    v1::NetworkSummary summary;
    std::vector<PlannedTrial> trials;
  };
  explicit ValidatedSpec(std::shared_ptr<const Contents> contents) : contents_(std::move(contents)) {}

  std::shared_ptr<const Contents> contents_;
};

struct ValidationResult {
  std::optional<ValidatedSpec> spec;  // set exactly where `violations` is empty
  std::vector<Violation> violations;
  std::vector<std::string> warnings;  // legal but unwise: "training.optimizer.sgd.momentum: ..."
};

// Of a sweep, the training and every trial made of it are judged; what is wrong with several trials
// alike is said once, naming the first of them and its settings.
//
// Predictions are judged elsewhere (validated_prediction.h): here they lack a training.
//
// `catalog` is asked for the spec's data set: an unknown name is a violation of
// `training.dataset.name`, one that cannot be read too. Never throws; bounded in time and memory by
// the size of the spec and fixed limits. Thread-safe.
ValidationResult Validate(const v1::JobSpec& spec, const DatasetCatalog& catalog);

}  // namespace anneal
