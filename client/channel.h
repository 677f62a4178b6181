// Where the daemon is, and the connection to it.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "grpcpp/channel.h"
#include "grpcpp/support/status.h"

namespace anneal::client {

inline constexpr char kDefaultAddress[] = "localhost:50551";
inline constexpr std::chrono::milliseconds kConnectLimit{3'000};
inline constexpr std::chrono::milliseconds kCallLimit{
    30'000};  // of a call that is answered at once

struct Address {
  std::string text;    // as given, for people
  std::string target;  // for gRPC
};

// HOST:PORT (an IPv6 address in brackets) or unix:PATH. INVALID_ARGUMENT says what is wrong.
absl::StatusOr<Address> ParseAddress(const std::string& text);

// A channel of its own (connections and back-off are not shared with earlier ones), no proxies,
// answers up to 64 MiB. Does not connect yet.
std::shared_ptr<grpc::Channel> MakeChannel(const Address& address);

// Connects. UNAVAILABLE, with the cause: it was refused (at once), or nothing answered within
// kConnectLimit.
grpc::Status WaitUntilReady(const std::shared_ptr<grpc::Channel>& channel);

}  // namespace anneal::client
