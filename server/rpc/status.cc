#include "server/rpc/status.h"

#include <algorithm>

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "server/core/strings.h"
#include "server/rpc/utf8.h"

namespace anneal {
namespace {

constexpr char kTypePrefix[] = "type.googleapis.com/";
constexpr char kErrorInfoType[] = "type.googleapis.com/google.rpc.ErrorInfo";
constexpr char kBadRequestType[] = "type.googleapis.com/google.rpc.BadRequest";

constexpr size_t kMaxMessageBytes = 1000;
constexpr size_t kMaxViolationBytes = 1500;  // of one description
// Of 8192: what is left is for gRPC's own entries (32 bytes each, besides names and values).
constexpr size_t kMaxTrailerBytes = 7600;
constexpr size_t kNamedViolations = 3;

// On the wire, gRPC writes the message's bytes outside 0x20..0x7E, and %, as %XX.
size_t PercentEncodedBytes(std::string_view text) {
  size_t bytes = 0;
  for (const char c : text) bytes += (c < 0x20 || c > 0x7E || c == '%') ? 3 : 1;
  return bytes;
}

size_t TrailerBytes(const google::rpc::Status& status) {
  return PercentEncodedBytes(status.message()) + (status.ByteSizeLong() + 2) / 3 * 4;
}

// Leaves out violations from the end until the whole fits; the last one then says how many are
// missing.
void FitBadRequest(const google::rpc::BadRequest& all, google::rpc::Status& status) {
  google::protobuf::Any* detail = status.add_details();
  const auto fits = [&](int kept) {
    google::rpc::BadRequest part;
    for (int i = 0; i < kept; ++i) {
      auto* violation = part.add_field_violations();
      *violation = all.field_violations(i);
      violation->set_field(Shorten(violation->field(), kMaxViolationBytes));
      violation->set_description(Shorten(violation->description(), kMaxViolationBytes));
    }
    if (kept < all.field_violations_size()) {
      part.add_field_violations()->set_description(
          absl::StrCat(all.field_violations_size() - kept, " more are not listed here"));
    }
    detail->PackFrom(part);
    return TrailerBytes(status) <= kMaxTrailerBytes;
  };
  if (fits(all.field_violations_size())) return;
  // The largest number that fits, by bisection; none always does.
  int low = 0;
  int high = all.field_violations_size();
  while (high - low > 1) {
    const int middle = low + (high - low) / 2;
    (fits(middle) ? low : high) = middle;
  }
  fits(low);
}

}  // namespace

absl::Status WithReason(absl::Status status, std::string_view reason) {
  google::rpc::ErrorInfo info;
  info.set_reason(std::string(reason));
  info.set_domain(kErrorDomain);
  status.SetPayload(kErrorInfoType, absl::Cord(info.SerializeAsString()));
  return status;
}

absl::Status InvalidRequest(const std::vector<Violation>& violations) {
  google::rpc::BadRequest details;
  std::string message;
  if (violations.size() > 1) message = absl::StrCat(violations.size(), " problems: ");
  for (size_t i = 0; i < violations.size(); ++i) {
    auto* violation = details.add_field_violations();
    violation->set_field(ToUtf8(violations[i].field));
    violation->set_description(ToUtf8(violations[i].description));
    if (i >= kNamedViolations) continue;
    absl::StrAppend(&message, i == 0 ? "" : "; ", Shorten(violation->field(), 200), ": ",
                    Shorten(violation->description(), 300));
  }
  if (violations.size() > kNamedViolations) {
    absl::StrAppend(&message, "; and ", violations.size() - kNamedViolations, " more");
  }
  absl::Status status = absl::InvalidArgumentError(message);
  status.SetPayload(kBadRequestType, absl::Cord(details.SerializeAsString()));
  return WithReason(std::move(status), "INVALID_REQUEST");
}

absl::Status InvalidRequest(std::string_view field, std::string_view description) {
  return InvalidRequest({{std::string(field), std::string(description)}});
}

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  google::rpc::Status details;
  details.set_code(static_cast<int>(status.code()));
  const absl::string_view text = status.message();
  details.set_message(Shorten(ToUtf8({text.data(), text.size()}), kMaxMessageBytes));

  google::rpc::ErrorInfo info;
  if (const auto payload = status.GetPayload(kErrorInfoType); payload.has_value()) {
    info.ParseFromString(std::string(*payload));
  } else {
    info.set_reason(absl::StatusCodeToString(status.code()));
    info.set_domain(kErrorDomain);
  }
  details.add_details()->PackFrom(info, kTypePrefix);
  if (const auto payload = status.GetPayload(kBadRequestType); payload.has_value()) {
    google::rpc::BadRequest violations;
    violations.ParseFromString(std::string(*payload));
    FitBadRequest(violations, details);
  }
  // absl's codes and gRPC's are the same numbers.
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), details.message(),
                      details.SerializeAsString());
}

}  // namespace anneal
