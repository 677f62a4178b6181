// Where the daemon listens, as a person writes it, checked before gRPC sees it (whose own errors
// say little).
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace anneal {

struct ListenAddress {
  enum class Kind { kUnix, kTcp };
  Kind kind = Kind::kTcp;
  std::string path;  // kUnix
  std::string host;  // kTcp: a number or a name, without brackets; "localhost" has become 127.0.0.1
  int port = 0;      // kTcp: 0 lets the system choose

  // "unix:PATH", "127.0.0.1:50551", "[::1]:50551": as gRPC wants it and people read it.
  std::string ToString() const;
};

// `text`: "unix:PATH" or "HOST:PORT" ("[ADDRESS]:PORT" for IPv6). The connection is in plain text,
// so unless `allow_insecure` only a unix socket and the loopback addresses (127.0.0.0/8, ::1,
// localhost) are taken. INVALID_ARGUMENT: anything else; the message says what would be right.
absl::StatusOr<ListenAddress> ParseListenAddress(std::string_view text, bool allow_insecure);

// Whether one can listen there now. Removes the socket file of a daemon that is no more. Blocks for
// a connection attempt to a socket file. FAILED_PRECONDITION: in use, or not an address of this
// machine, or the folder is missing, or no permission.
absl::Status CheckListenAddress(const ListenAddress& address);

}  // namespace anneal
