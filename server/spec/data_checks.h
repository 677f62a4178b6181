// The data a job asks for: the data set, what is held out for validation and for the test, and the
// input steps.
#pragma once

#include <cstdint>
#include <optional>

#include "anneal/v1/training.pb.h"
#include "server/core/dataset_info.h"
#include "server/spec/shapes.h"
#include "server/spec/violation_list.h"

namespace anneal {

// What is known of the data, as far as nothing is wrong with it.
struct DataPlan {
  std::optional<DatasetInfo> dataset;
  int64_t training_samples = 0;    // after validation is held out; 0: not known
  int64_t validation_samples = 0;  // 0: no validation, or not known
  Shape input_shape;               // of what the network sees, after the input steps
};

// Checks `dataset`, `validation`, `test` and `input` of `training`.
DataPlan CheckData(const v1::TrainingSpec& training, const DatasetCatalog& catalog,
                   ViolationList& violations);

}  // namespace anneal
