// The walk over a job spec: what Validate() does.
#pragma once

#include <vector>

#include "anneal/v1/job.pb.h"
#include "server/core/dataset_info.h"
#include "server/spec/data_checks.h"
#include "server/spec/validated_spec.h"
#include "server/spec/violation_list.h"

namespace anneal {

// The only maker of ValidatedSpec. For one spec.
class Validator {
 public:
  // `catalog` must outlive it.
  explicit Validator(const DatasetCatalog& catalog) : catalog_(catalog) {}

  ValidationResult Run(const v1::JobSpec& spec) &&;

 private:
  void CheckJob(const v1::JobSpec& spec);
  DataPlan CheckTraining(const v1::TrainingSpec& training, std::vector<ResolvedLayer>& layers);
  std::vector<PlannedTrial> CheckSweep(const v1::JobSpec& spec);
  void CheckNetwork(const v1::TrainingSpec& training, const DataPlan& plan,
                    std::vector<ResolvedLayer>& layers);

  const DatasetCatalog& catalog_;
  ViolationList violations_;
};

}  // namespace anneal
