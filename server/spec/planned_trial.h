// One of the trainings that a sweep is made of.
#pragma once

#include <vector>

#include "anneal/v1/job.pb.h"
#include "server/core/job.h"

namespace anneal {

struct PlannedTrial {
  std::vector<TrialSetting> settings;  // in the parameters' order
  v1::JobSpec spec;                    // without search; named "NAME/3", NAME cut if too long, or "sweep/3"
};

}  // namespace anneal
