#include "server/rpc/listen_address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/core/status_macros.h"
#include "server/core/strings.h"

namespace anneal {
namespace {

constexpr char kUnixPrefix[] = "unix:";

// A file descriptor that is closed in the end.
class Socket {
 public:
  explicit Socket(int family) : fd_(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

absl::Status CannotListen(const ListenAddress& address, std::string_view why) {
  return absl::FailedPreconditionError(
      absl::StrCat("cannot listen on ", address.ToString(), ": ", ToAbsl(why)));
}

bool IsLoopback(const std::string& host) {
  in_addr v4;
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
  in6_addr v6;
  if (inet_pton(AF_INET6, host.c_str(), &v6) == 1) return IN6_IS_ADDR_LOOPBACK(&v6);
  return false;
}

absl::StatusOr<ListenAddress> ParseUnix(std::string_view text) {
  ListenAddress address;
  address.kind = ListenAddress::Kind::kUnix;
  std::string_view path = text.substr(std::strlen(kUnixPrefix));
  // gRPC's other spelling is unix:///absolute/path.
  if (absl::StartsWith(ToAbsl(path), "///")) path.remove_prefix(2);
  address.path = std::string(path);
  if (path.empty() || path.back() == '/') {
    return absl::InvalidArgumentError(
        absl::StrCat("listen address '", ToAbsl(text), "' names no socket file; write unix:PATH"));
  }
  if (path.find('\0') != std::string_view::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("listen address '", ToAbsl(text), "' has a zero byte in its path"));
  }
  constexpr size_t kMaxPathBytes = sizeof(sockaddr_un::sun_path) - 1;
  if (path.size() > kMaxPathBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the path of the unix socket '", address.path, "' has ", path.size(),
                     " bytes; the system takes at most ", kMaxPathBytes,
                     ": choose a shorter one with --listen unix:PATH"));
  }
  return address;
}

absl::Status CheckUnix(const ListenAddress& address) {
  std::filesystem::path folder = std::filesystem::path(address.path).parent_path();
  if (folder.empty()) folder = ".";
  std::error_code error;
  if (!std::filesystem::is_directory(folder, error)) {
    return CannotListen(address, absl::StrCat("there is no folder ", folder.string()));
  }
  if (access(folder.c_str(), W_OK | X_OK) != 0) {
    return CannotListen(address,
                        absl::StrCat("no permission to create a file in ", folder.string()));
  }
  struct stat info;
  if (lstat(address.path.c_str(), &info) != 0) {
    return errno == ENOENT ? absl::OkStatus() : CannotListen(address, std::strerror(errno));
  }
  if (!S_ISSOCK(info.st_mode)) {
    return CannotListen(address,
                        "there is a file of this name that is not a socket; it is left alone");
  }
  const Socket probe(AF_UNIX);
  if (probe.fd() < 0) return CannotListen(address, std::strerror(errno));
  sockaddr_un name = {};
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path, address.path.c_str(), address.path.size() + 1);
  if (connect(probe.fd(), reinterpret_cast<const sockaddr*>(&name), sizeof(name)) == 0) {
    return CannotListen(address, "another process listens on this socket");
  }
  if (errno != ECONNREFUSED) return CannotListen(address, std::strerror(errno));
  // Nobody listens: left behind by a process that was killed.
  if (unlink(address.path.c_str()) != 0 && errno != ENOENT) {
    return CannotListen(address,
                        absl::StrCat("cannot remove the stale socket: ", std::strerror(errno)));
  }
  return absl::OkStatus();
}

absl::Status CheckTcp(const ListenAddress& address) {
  addrinfo hints = {};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int code =
      getaddrinfo(address.host.c_str(), absl::StrCat(address.port).c_str(), &hints, &found);
  if (code != 0) {
    return CannotListen(address, absl::StrCat("'", address.host, "': ", gai_strerror(code)));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> list(found, &freeaddrinfo);
  int last_error = 0;
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    const Socket probe(entry->ai_family);
    const int on = 1;
    // As gRPC does: a connection of an earlier process in TIME_WAIT is no obstacle.
    if (probe.fd() >= 0 && setsockopt(probe.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
        bind(probe.fd(), entry->ai_addr, entry->ai_addrlen) == 0) {
      return absl::OkStatus();
    }
    last_error = errno;
    if (last_error == EADDRINUSE) break;
  }
  switch (last_error) {
    case EADDRINUSE:
      return CannotListen(
          address,
          "the port is in use by another process; choose another one with --listen HOST:PORT");
    case EACCES:
      return CannotListen(address, "no permission; ports below 1024 are for root");
    case EADDRNOTAVAIL:
      return CannotListen(address, "this machine has no such address");
    default:
      return CannotListen(address, std::strerror(last_error));
  }
}

}  // namespace

std::string ListenAddress::ToString() const {
  if (kind == Kind::kUnix) return absl::StrCat(kUnixPrefix, path);
  const bool v6 = host.find(':') != std::string::npos;
  return v6 ? absl::StrCat("[", host, "]:", port) : absl::StrCat(host, ":", port);
}

absl::StatusOr<ListenAddress> ParseListenAddress(std::string_view text, bool allow_insecure) {
  if (absl::StartsWith(ToAbsl(text), kUnixPrefix)) return ParseUnix(text);
  const auto invalid = [&](std::string_view why) {
    return absl::InvalidArgumentError(
        absl::StrCat("listen address '", ToAbsl(text), "': ", ToAbsl(why),
                     "; write HOST:PORT, such as localhost:50551, or unix:PATH"));
  };
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return invalid("there is no port");
  ListenAddress address;
  std::string_view host = text.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    in6_addr v6;
    if (inet_pton(AF_INET6, std::string(host).c_str(), &v6) != 1) {
      return invalid("what stands in [ ] is no IPv6 address");
    }
  } else if (host.find(':') != std::string_view::npos) {
    return invalid("an IPv6 address stands in brackets, as in [::1]:50551");
  }
  if (host.empty()) return invalid("there is no host");
  for (const char c : host) {
    if (c <= ' ' || c > '~' || c == '/' || c == ',' || c == '%')
      return invalid("this is no host name");
  }
  address.host = host == "localhost" ? "127.0.0.1" : std::string(host);
  const std::string_view port = text.substr(colon + 1);
  if (port.empty() || port.size() > 5) return invalid("the port must be a number from 0 to 65535");
  for (const char c : port) {
    if (c < '0' || c > '9') return invalid("the port must be a number from 0 to 65535");
    address.port = address.port * 10 + (c - '0');
  }
  if (address.port > 65535) return invalid("the port must be a number from 0 to 65535");
  if (!allow_insecure && !IsLoopback(address.host)) {
    return absl::InvalidArgumentError(
        absl::StrCat("listen address '", ToAbsl(text),
                     "' can be reached from other machines, and the connection is in plain text "
                     "without any check of who connects; use localhost:PORT or unix:PATH (and, "
                     "say, an SSH tunnel), or "
                     "--allow-insecure if the network is trusted"));
  }
  return address;
}

absl::Status CheckListenAddress(const ListenAddress& address) {
  return address.kind == ListenAddress::Kind::kUnix ? CheckUnix(address) : CheckTcp(address);
}

}  // namespace anneal
