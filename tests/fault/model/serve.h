// The system under test: the real daemon, with its database, scheduler and gRPC server, on an
// engine that trains chains of hashes. It is this program again, started with --serve, so that it
// can be killed.
#pragma once

#include <cstdint>
#include <string>

namespace anneal::model {

struct ServeOptions {
  std::string folder;  // of data; the log of work is in it, too (WorkLogPath)
  std::string socket;
  int workers = 1;
  int64_t generation = 0;
  int64_t haste = 1;  // of its clock
};

// Serves until the standard input ends, then exits in the middle of whatever it does: whoever
// started it is gone. Writes a line to the standard output when it takes calls. Returns an exit
// code where it cannot start.
int Serve(const ServeOptions& options);

std::string WorkLogPath(const std::string& folder);
std::string ArtifactPath(const std::string& folder, const std::string& file);

}  // namespace anneal::model
