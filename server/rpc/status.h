// The border between the daemon's errors (absl::Status) and gRPC's.
//
// Details travel as google.rpc.Status in the trailer "grpc-status-details-bin":
// google.rpc.ErrorInfo (a stable reason, domain "anneal") with every error, google.rpc.BadRequest
// with INVALID_ARGUMENT. Inside the daemon they are payloads of the absl::Status, under the type
// URL that they have on the wire.
//
// A gRPC peer accepts 8 KB of trailers unless it says otherwise, and drops the call with a
// meaningless error when there are more. So texts are shortened and violations left out, saying how
// many, until everything fits.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <grpcpp/support/status.h>

#include "absl/status/status.h"
#include "server/spec/validated_spec.h"

namespace anneal {

inline constexpr char kErrorDomain[] = "anneal";
inline constexpr char kStatusDetailsTrailer[] = "grpc-status-details-bin";

// Adds ErrorInfo{reason}. `status` must not be OK; `reason` is UPPER_SNAKE_CASE.
absl::Status WithReason(absl::Status status, std::string_view reason);

// INVALID_ARGUMENT with every violation (at least one), reason INVALID_REQUEST; the message names
// the first few.
absl::Status InvalidRequest(const std::vector<Violation>& violations);
absl::Status InvalidRequest(std::string_view field, std::string_view description);

// The code and text are kept. An error without a reason gets the name of its code.
grpc::Status ToGrpcStatus(const absl::Status& status);

}  // namespace anneal
