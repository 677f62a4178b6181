// Whether a learning-rate range test can be done as it is asked for.
#pragma once

#include "anneal/v1/search.pb.h"
#include "server/spec/violation_list.h"

namespace anneal {

void CheckLearningRateRangeTest(const v1::LearningRateRangeTest& test, ViolationList& violations);

}  // namespace anneal
