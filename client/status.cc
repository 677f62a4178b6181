#include "client/status.h"

#include <string_view>

#include "client/render.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace anneal::client {
namespace {

std::string_view CodeName(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::OK:
      return "OK";
    case grpc::StatusCode::CANCELLED:
      return "CANCELLED";
    case grpc::StatusCode::UNKNOWN:
      return "UNKNOWN";
    case grpc::StatusCode::INVALID_ARGUMENT:
      return "INVALID_ARGUMENT";
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return "DEADLINE_EXCEEDED";
    case grpc::StatusCode::NOT_FOUND:
      return "NOT_FOUND";
    case grpc::StatusCode::ALREADY_EXISTS:
      return "ALREADY_EXISTS";
    case grpc::StatusCode::PERMISSION_DENIED:
      return "PERMISSION_DENIED";
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return "RESOURCE_EXHAUSTED";
    case grpc::StatusCode::FAILED_PRECONDITION:
      return "FAILED_PRECONDITION";
    case grpc::StatusCode::ABORTED:
      return "ABORTED";
    case grpc::StatusCode::OUT_OF_RANGE:
      return "OUT_OF_RANGE";
    case grpc::StatusCode::UNIMPLEMENTED:
      return "UNIMPLEMENTED";
    case grpc::StatusCode::INTERNAL:
      return "INTERNAL";
    case grpc::StatusCode::UNAVAILABLE:
      return "UNAVAILABLE";
    case grpc::StatusCode::DATA_LOSS:
      return "DATA_LOSS";
    case grpc::StatusCode::UNAUTHENTICATED:
      return "UNAUTHENTICATED";
    default:
      return "an unknown code";
  }
}

bool IsConnectionProblem(const grpc::Status& status) {
  const std::string& message = status.error_message();
  return status.error_code() == grpc::StatusCode::UNAVAILABLE &&
         (message.find("failed to connect") != std::string::npos ||
          message.find("DNS resolution") != std::string::npos ||
          message.find("Socket closed") != std::string::npos ||
          message.find("onnection re") != std::string::npos ||
          message.find("no answer within") != std::string::npos);
}

}  // namespace

ExitCode ExitCodeOf(const grpc::Status& status) {
  switch (status.error_code()) {
    case grpc::StatusCode::OK:
      return kExitDone;
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::DEADLINE_EXCEEDED:
    case grpc::StatusCode::CANCELLED:
      return kExitUnreachable;
    default:
      return kExitRefused;
  }
}

std::vector<std::string> FieldViolations(const grpc::Status& status) {
  std::vector<std::string> violations;
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return violations;
  for (const google::protobuf::Any& detail : details.details()) {
    google::rpc::BadRequest bad_request;
    if (!detail.Is<google::rpc::BadRequest>() || !detail.UnpackTo(&bad_request)) continue;
    for (const auto& violation : bad_request.field_violations()) {
      violations.push_back(violation.field().empty()
                               ? violation.description()
                               : violation.field() + ": " + violation.description());
    }
  }
  return violations;
}

// gRPC's own words for a failed connection are "failed to connect to all addresses; last error:
// UNKNOWN: unix:/x: No such file or directory"; the cause is at the end.
std::string Cause(const grpc::Status& status) {
  constexpr std::string_view kLast = "last error: ";
  std::string cause = status.error_message();
  if (const size_t last = cause.rfind(kLast); last != std::string::npos) {
    cause.erase(0, last + kLast.size());
    for (const std::string_view code : {"UNKNOWN: ", "UNAVAILABLE: ", "INTERNAL: "}) {
      if (cause.starts_with(code)) cause.erase(0, code.size());
    }
  }
  return Escape(cause);
}

std::string Describe(const grpc::Status& status, const std::string& address) {
  const std::string message = Escape(status.error_message());
  if (IsConnectionProblem(status)) {
    return "cannot reach the daemon at " + Escape(address) + ": " + Cause(status) +
           "\n  Is anneald running there? --server or ANNEAL_SERVER says where to look.";
  }
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE) {
    return "the daemon at " + Escape(address) + " cannot serve now: " + message;
  }
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    return "the daemon at " + Escape(address) + " did not answer in time";
  }
  if (status.error_code() == grpc::StatusCode::CANCELLED) {
    return "the daemon at " + Escape(address) + " ended the call" +
           (message.empty() ? "" : ": " + message);
  }
  if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED) {
    return "the server at " + Escape(address) +
           " does not know this request: it is an older anneald, or none" +
           (message.empty() ? "" : " (" + message + ")");
  }
  const std::vector<std::string> violations = FieldViolations(status);
  // The message may repeat the violations for those who see nothing else.
  const bool repeated =
      !violations.empty() && message.find(Escape(violations[0])) != std::string::npos;
  std::string text = message.empty() || repeated ? std::string("the server refused") : message;
  text += " (" + std::string(CodeName(status.error_code())) + ")";
  if (repeated) text += ":";
  for (const std::string& violation : violations) text += "\n  " + Escape(violation);
  return text;
}

}  // namespace anneal::client
