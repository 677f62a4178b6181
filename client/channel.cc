#include "client/channel.h"

#include <sys/un.h>

#include <charconv>
#include <string_view>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "client/render.h"
#include "grpc/health/v1/health_service.grpc.pb.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/channel_arguments.h"
#include "server/core/strings.h"

namespace anneal::client {
namespace {

constexpr std::string_view kUnixPrefix = "unix:";

absl::Status AddressError(const std::string& text, std::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("server address \"", Escape(text), "\": ", ToAbsl(why),
                   "; it is HOST:PORT, such as localhost:50551, or unix:PATH"));
}

bool IsHostName(std::string_view host) {
  constexpr std::string_view kAllowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
  return !host.empty() && host.size() <= 253 &&
         host.find_first_not_of(kAllowed) == std::string_view::npos;
}

bool IsIpv6Literal(std::string_view host) {
  return host.find(':') != std::string_view::npos &&
         host.find_first_not_of("0123456789abcdefABCDEF:.%") == std::string_view::npos;
}

}  // namespace

absl::StatusOr<Address> ParseAddress(const std::string& text) {
  if (text.starts_with(kUnixPrefix)) {
    const std::string path = text.substr(kUnixPrefix.size());
    if (path.empty()) return AddressError(text, "the path is missing");
    if (path.find('\0') != std::string::npos) return AddressError(text, "the path has a zero byte");
    if (path.size() >= sizeof(sockaddr_un::sun_path)) {
      return AddressError(
          text, absl::StrCat("the path has ", path.size(), " bytes, but a socket's has at most ",
                             sizeof(sockaddr_un::sun_path) - 1));
    }
    return Address{text, text};
  }
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) return AddressError(text, "the port is missing");
  const std::string_view port_text = std::string_view(text).substr(colon + 1);
  int port = 0;
  const auto [end, error] =
      std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
  if (error != std::errc() || end != port_text.data() + port_text.size() || port < 1 ||
      port > 65535) {
    return AddressError(text, "the port is not a number from 1 to 65535");
  }
  const std::string_view host = std::string_view(text).substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']') &&
      IsIpv6Literal(host.substr(1, host.size() - 2))) {
    return Address{text, text};
  }
  if (!IsHostName(host)) return AddressError(text, "the host is not a name or an address");
  return Address{text, "dns:///" + text};
}

std::shared_ptr<grpc::Channel> MakeChannel(const Address& address) {
  const int connect_ms = static_cast<int>(kConnectLimit.count());
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 200);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS,
                   connect_ms);  // the limit of one attempt to connect, too
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, connect_ms);
  arguments.SetInt(GRPC_ARG_DNS_ARES_QUERY_TIMEOUT_MS, connect_ms);
  // A watched job may say nothing for hours: find out when the machine at the other end has
  // vanished. Servers by default take pings more often than every five minutes for an attack.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 360'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetMaxReceiveMessageSize(64 * 1024 * 1024);
  return grpc::CreateCustomChannel(address.target, grpc::InsecureChannelCredentials(), arguments);
}

grpc::Status WaitUntilReady(const std::shared_ptr<grpc::Channel>& channel) {
  const auto deadline = std::chrono::system_clock::now() + kConnectLimit;
  grpc_connectivity_state state = channel->GetState(/*try_to_connect=*/true);
  while (state != GRPC_CHANNEL_READY && state != GRPC_CHANNEL_TRANSIENT_FAILURE) {
    if (!channel->WaitForStateChange(state, deadline)) {
      return grpc::Status(grpc::StatusCode::UNAVAILABLE,
                          absl::StrCat("no answer within ", kConnectLimit.count() / 1000, " s"));
    }
    state = channel->GetState(/*try_to_connect=*/true);
  }
  if (state == GRPC_CHANNEL_READY) return grpc::Status::OK;
  // Only a call is told the cause; it fails at once.
  grpc::health::v1::Health::Stub probe(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(500));
  grpc::health::v1::HealthCheckResponse response;
  const grpc::Status status = probe.Check(&context, {}, &response);
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE ||
      status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, status.error_message());
  }
  return grpc::Status::OK;  // it came up in this very moment
}

}  // namespace anneal::client
