// The border between gRPC and the shell: what a failed call means for the exit code, and the
// sentence people read.
#pragma once

#include <string>
#include <vector>

#include "grpcpp/support/status.h"

namespace anneal::client {

// Scripts rely on these (DESIGN: command line).
enum ExitCode : int {
  kExitDone = 0,
  kExitJobFailed = 1,      // the job failed or was cancelled
  kExitUsage = 2,          // the command line, the job file, or an output that cannot be written
  kExitRefused = 3,        // the server refused
  kExitUnreachable = 4,    // nobody answers, or nobody that can serve now
  kExitInterrupted = 130,  // Ctrl-C while watching: 128 + SIGINT, as shells have it
};

// UNAVAILABLE, DEADLINE_EXCEEDED and CANCELLED (by the server: it is ending) are kExitUnreachable,
// all other errors kExitRefused.
ExitCode ExitCodeOf(const grpc::Status& status);

// The field violations in google.rpc.BadRequest details, each "field: description"; empty where
// there are none or the details do not parse.
std::vector<std::string> FieldViolations(const grpc::Status& status);

// gRPC's message cut down to its cause: "No such file or directory". Escaped.
std::string Cause(const grpc::Status& status);

// What `status` (not OK) of a call to the daemon at `address` means, in lines without an end of
// line: first a sentence, then one line "  field: description" for each violation. Escaped.
std::string Describe(const grpc::Status& status, const std::string& address);

}  // namespace anneal::client
