#include "client/set_field.h"

#include "absl/strings/str_cat.h"
#include "client/render.h"
#include "proto/set_field.h"

namespace anneal::client {

absl::Status SetField(google::protobuf::Message& message, const std::string& setting) {
  const size_t equals = setting.find('=');
  if (equals == std::string::npos || equals == 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--set \"", Escape(setting), "\": is not PATH=VALUE, such as training.epochs=3"));
  }
  const std::string path = setting.substr(0, equals);
  const absl::Status set = anneal::SetField(message, path, setting.substr(equals + 1));
  if (set.ok()) return set;
  return absl::InvalidArgumentError(
      absl::StrCat("--set ", Escape(path), ": ", Escape(std::string(set.message()))));
}

}  // namespace anneal::client
