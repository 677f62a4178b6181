// The real CIFAR-10, for tests that want more than made-up pixels.
#pragma once

#include <sys/wait.h>

#include <cstdlib>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace anneal {

// The folder of its binary batches. The first call on a machine takes about 15 s to make it
// (build/cifar10-bin), later ones and other processes find it there. UNAVAILABLE where it cannot be
// made (see make_cifar10.sh): skip the test, with the message. INTERNAL: the script failed in
// another way.
inline absl::StatusOr<std::string> RealCifar10Folder() {
  const std::string source = ANNEAL_SOURCE_FOLDER;
  const std::string folder = source + "/build/cifar10-bin";
  const std::string command = "'" + source + "/tests/support/make_cifar10.sh' '" + folder + "'";
  const int status = std::system(command.c_str());
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  if (code == 0) return folder;
  if (code == 77) {
    return absl::UnavailableError(
        "the real CIFAR-10 cannot be made here; make_cifar10.sh says why above");
  }
  return absl::InternalError("failed with exit code " + std::to_string(code) + ": " + command);
}

}  // namespace anneal
