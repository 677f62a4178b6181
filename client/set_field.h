// `--set PATH=VALUE`: one field of a message, by name.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "google/protobuf/message.h"

namespace anneal::client {

// Sets the field at PATH (everything before the first '=') of `message` to VALUE.
//
// PATH is field names with dots between them, and [N] after a list, from 0:
// "training.network.layers[1].dense.units". Messages on the way are made where they are missing,
// which chooses the member of a oneof. A list's element must exist.
//
// VALUE by the kind of field: a number; true or false; an enum's name; text as it is (or in double
// quotes, with the escapes of text format); for a message, text format in braces "{units: 10
// activation: RELU}", which replaces all of it; for a whole list, "[A, B]", which replaces it.
//
// INVALID_ARGUMENT names the path, the part that is wrong and what would be right; then `message`
// is unchanged.
absl::Status SetField(google::protobuf::Message& message, const std::string& setting);

// The name in `message_type` most like `name` as " (did you mean \"epochs\"?)", or "" where none is
// like it.
std::string FieldSuggestion(const google::protobuf::Descriptor& message_type,
                            std::string_view name);

// "name, training": the fields of `message_type`.
std::string FieldNames(const google::protobuf::Descriptor& message_type);

}  // namespace anneal::client
