// A sweep's trials: made from its block and the training beside it, and judged.
//
// Random values are a pure function of (seed, trial, parameter): Philox with the parameter's index
// as the stream and the trial's as the position (server/core/random.h), so a sweep with more trials
// begins with those of one with fewer.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "anneal/v1/job.pb.h"
#include "server/spec/planned_trial.h"
#include "server/spec/violation_list.h"

namespace anneal {

// The trials of `spec`, in order. Adds what is wrong with the block `sweep` itself: parameters,
// paths, values, ranges, mode, the number of trials and their size. Does not judge the monitor and
// the trainings that come out. Empty where the block has a violation. `spec` must have a sweep and
// a training.
std::vector<PlannedTrial> PlanTrials(const v1::JobSpec& spec, ViolationList& violations);

// The value number `trial` (from 0) of the random parameter number `index` (from 0), as text that
// the field accepts. `whole`: the field takes whole numbers only. The distribution must be valid.
std::string DrawValue(const v1::Sweep::RandomParameter& parameter, bool whole, uint64_t seed,
                      int64_t trial, int index);

// How the values of the monitor are compared: as asked, else the larger the better where the name
// ends in "accuracy".
bool LargerIsBetter(const v1::Sweep& sweep, const std::string& monitor);

}  // namespace anneal
