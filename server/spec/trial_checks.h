// Judging the trainings that a sweep is made of.
#pragma once

#include <string>
#include <vector>

#include "anneal/v1/job.pb.h"
#include "server/core/dataset_info.h"
#include "server/spec/planned_trial.h"
#include "server/spec/violation_list.h"

namespace anneal {

// Judges each of `trials`, and whether it measures the monitor of `sweep`. What the training that
// they are made of has too (it is in `violations` or `warnings` already) is left out; what several
// trials have alike is said once: "is -1; a learning rate is ... (trial 3:
// training.optimizer.sgd.learning_rate=-1; and 4 more trials)". Of one field, only the first few
// different things are said and the rest counted.
void CheckTrials(const v1::Sweep& sweep, const std::string& monitor,
                 const std::vector<PlannedTrial>& trials, const DatasetCatalog& catalog,
                 ViolationList& violations, std::vector<std::string>& warnings);

}  // namespace anneal
