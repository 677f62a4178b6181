// What a checkpoint says of its network, from a spec and back.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "anneal/v1/model.pb.h"
#include "server/spec/validated_spec.h"

namespace anneal {

// `epoch`: that the weights are of; `fingerprint`: of the attempt that trained them.
v1::ModelDescription DescribeModel(const ValidatedSpec& spec, int64_t epoch,
                                   const std::string& weights_sha256,
                                   const std::string& fingerprint);

// The spec of a described network, judged again with the data set as it was described.
// INVALID_ARGUMENT: the bytes are no description, or one of a format, or of a network, that this
// server does not know; the message ends a sentence that begins with the job.
absl::StatusOr<ValidatedSpec> SpecOfModel(const std::string& description);

}  // namespace anneal
