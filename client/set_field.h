// `--set PATH=VALUE`: one field of a message, by name.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "google/protobuf/message.h"

namespace anneal::client {

// Sets the field at PATH (everything before the first '=') of `message` to VALUE; what both look
// like is in proto/set_field.h.
//
// INVALID_ARGUMENT names the path, the part that is wrong and what would be right, escaped; then
// `message` is unchanged.
absl::Status SetField(google::protobuf::Message& message, const std::string& setting);

}  // namespace anneal::client
