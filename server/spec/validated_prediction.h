// A prediction that has been judged: the only kind the engine accepts.
//
// A trained network is judged again by what its checkpoint says of it (anneal.v1.ModelDescription):
// it can predict also where the data set it was trained on is gone or has changed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "anneal/v1/job.pb.h"
#include "server/core/checkpoint_info.h"
#include "server/core/dataset_info.h"
#include "server/core/job.h"
#include "server/core/prediction.h"
#include "server/spec/validated_spec.h"

namespace anneal {

// How a network's output becomes class probabilities.
enum class OutputKind {
  kNone,            // it does not: independent outputs, or values without a distribution
  kLogits,          // softmax of it
  kLogit,           // one output for two classes: 1 - sigmoid(x), sigmoid(x)
  kProbabilities,   // it is one: SOFTMAX, which no loss has taken over
};

// Of the network as the engine runs it, without the activation that its loss applies.
OutputKind OutputKindOf(const ValidatedSpec& model);

// Dropout, AlphaDropout and SpatialDropout2D with a rate above 0.
bool IsActiveDropout(const v1::Layer& layer);

// Immutable. Copies share the contents.
class ValidatedPrediction {
 public:
  const v1::PredictionSpec& proto() const { return contents_->proto; }
  // The trained network, with the data set that it was trained on.
  const ValidatedSpec& model() const { return *contents_->model; }
  const CheckpointInfo& checkpoint() const { return contents_->checkpoint; }
  // All but job_id and stored.
  const PredictionSet& set() const { return contents_->set; }

 private:
  friend class PredictionValidator;
  struct Contents {
    v1::PredictionSpec proto;
    std::optional<ValidatedSpec> model;
    CheckpointInfo checkpoint;
    PredictionSet set;
  };
  explicit ValidatedPrediction(std::shared_ptr<const Contents> contents)
      : contents_(std::move(contents)) {}

  std::shared_ptr<const Contents> contents_;
};

struct PredictionValidation {
  // Not OK: `models` could not be asked, which says nothing about the prediction; all else is empty.
  absl::Status status{};
  std::optional<ValidatedPrediction> prediction;  // set exactly where `violations` is empty
  std::vector<Violation> violations;
  std::vector<std::string> warnings;
};

// `spec` must have a prediction. `models` is asked for the training, `catalog` for the data set:
// what they cannot give is a violation of `prediction.job_id` or `prediction.dataset`. Never
// throws. Thread-safe.
PredictionValidation ValidatePrediction(const v1::JobSpec& spec, const ModelCatalog& models,
                                        const DatasetCatalog& catalog);

}  // namespace anneal
