// One field of a message, by the path that a job file's reader would write.
//
// A path is field names with dots between them, and [N] after a list, from 0:
// "training.network.layers[1].dense.units".
//
// Errors are INVALID_ARGUMENT; their texts name the part that is wrong and what would be right, not
// the path, and hold what was given as it is: escape them before they are shown.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/message.h"

namespace anneal {

// Sets the field at `path` of `message` to `value`. Messages on the way are made where they are
// missing, which chooses the member of a oneof. A list's element must exist.
//
// The value by the kind of field: a number; true or false; an enum's name; text as it is (or in
// double quotes, with the escapes of text format); for a message, text format in braces "{units: 10
// activation: RELU}", which replaces all of it; for a whole list, "[A, B]", which replaces it.
//
// Where there is an error `message` is unchanged.
absl::Status SetField(google::protobuf::Message& message, const std::string& path,
                      const std::string& value);

struct FieldPlace {
  const google::protobuf::FieldDescriptor* field = nullptr;
  bool is_list = false;  // the whole of a list, not one element
};

// What SetField would set, whatever the value; its errors that do not come from the value.
absl::StatusOr<FieldPlace> FindField(const google::protobuf::Message& message,
                                     const std::string& path);

// Whether everything that `path` names is there: its messages, its list elements, and the field
// itself where that can be absent.
bool HasField(const google::protobuf::Message& message, const std::string& path);

// The path of what SetField at `path` would take away from `message` by choosing another member of
// a oneof, such as "training.optimizer.adam" for "training.optimizer.sgd.momentum"; "" where there
// is nothing.
std::string ReplacedMember(const google::protobuf::Message& message, const std::string& path);

// The name in `message_type` most like `name` as " (did you mean \"epochs\"?)", or "" where none is
// like it.
std::string FieldSuggestion(const google::protobuf::Descriptor& message_type,
                            std::string_view name);

// "name, training": the fields of `message_type`.
std::string FieldNames(const google::protobuf::Descriptor& message_type);

}  // namespace anneal
