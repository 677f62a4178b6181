// Fields that this server's protocol does not have: what a newer client asks for must not be left
// out in silence.
#pragma once

#include "anneal/v1/job.pb.h"
#include "server/spec/violation_list.h"

namespace anneal {

// Adds a violation for every message of `spec` that carries a field number unknown here.
void CheckUnknownFields(const v1::JobSpec& spec, ViolationList& violations);

}  // namespace anneal
