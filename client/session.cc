#include "client/session.h"

#include <algorithm>
#include <cctype>
#include <optional>

#include "google/protobuf/util/json_util.h"

namespace anneal::client {

bool IsUtf8Locale(const Environment& environment) {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    std::optional<std::string> value = environment.variable(name);
    if (!value || value->empty()) continue;
    std::transform(value->begin(), value->end(), value->begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return value->find("utf-8") != std::string::npos || value->find("utf8") != std::string::npos;
  }
  return false;
}

Style Session::style() const {
  Style style;
  const std::optional<std::string> no_color = environment_.variable("NO_COLOR");
  const std::optional<std::string> terminal = environment_.variable("TERM");
  style.color =
      environment_.out_is_terminal && (!no_color || no_color->empty()) && terminal != "dumb";
  style.unicode = IsUtf8Locale(environment_);
  style.columns = environment_.columns();
  return style;
}

grpc::Status Session::Connect() {
  channel_ = MakeChannel(address_);
  return WaitUntilReady(channel_);
}

void Session::PrintJson(const google::protobuf::Message& message, bool whole) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = false;
  options.always_print_primitive_fields = whole;
  options.preserve_proto_field_names = false;
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(message, &json, options);
  if (!status.ok()) {  // only of values that JSON cannot say, such as a time outside the years 1 to
                       // 9999
    err() << "anneal: the answer cannot be written as JSON: " << Escape(status.ToString()) << "\n";
    out().setstate(std::ios::failbit);
    return;
  }
  out() << json << "\n" << std::flush;
}

int Session::Fail(const grpc::Status& status) {
  err() << "anneal: " << Describe(status, address_.text) << "\n";
  return ExitCodeOf(status);
}

int Session::UsageError(const absl::Status& status) {
  err() << "anneal: " << std::string(status.message().data(), status.message().size()) << "\n";
  return kExitUsage;
}

std::string Session::CommandLine(const std::string& verb_and_arguments) const {
  std::string command = "anneal ";
  if (address_.text != kDefaultAddress) command += "--server " + Escape(address_.text) + " ";
  return command + verb_and_arguments;
}

}  // namespace anneal::client
