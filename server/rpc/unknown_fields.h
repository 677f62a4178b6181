// Fields that this daemon does not know: sent by a newer client, or by mistake. Protobuf would keep silent about them,
// and a job would train another network than the one described.
#pragma once

#include <vector>

#include <google/protobuf/message.h>

#include "server/spec/validated_spec.h"

namespace anneal {

// One violation for every field number that is in `message`, or anywhere inside it, but not in its description; at most
// 100. Field paths as in Validate(), relative to `message`.
std::vector<Violation> FindUnknownFields(const google::protobuf::Message& message);

}  // namespace anneal
