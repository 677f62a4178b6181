// What a comparison of jobs comes to, in sentences. A pure function.
#pragma once

#include <string>

#include "anneal/v1/comparison.pb.h"
#include "client/render.h"

namespace anneal::client {

// The better model and by how much; which converges faster, measured at the best value that every
// judged job reaches (the best of the worst of them); what an epoch costs; then the comparison's
// notes and how far to trust one run. Lines are broken at style.columns and end in '\n'.
std::string VerdictText(const v1::Comparison& comparison, const Style& style);

}  // namespace anneal::client
