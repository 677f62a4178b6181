// The scenario in a process of its own, which can be killed.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/fault/acks.h"

namespace anneal {

struct ProcessEnd {
  bool killed = false;  // by SIGKILL
  int exit_code = -1;   // 0: the scenario came to its end; else see `error`
  std::string error;
  std::map<std::string, int64_t> passes;  // of failpoints, where it was not killed
};

// Runs World's scenario in `folder`, after what was acknowledged by earlier runs there, with
// `failpoints` armed (ArmFailpoints). Blocks; a run that takes longer than a minute ends with an
// error. `patience_us`: as in World::Options.
ProcessEnd RunInOtherProcess(const std::string& folder, const std::string& failpoints,
                             int64_t patience_us = 20'000'000);

// Only opens the store there, as RunInOtherProcess.
ProcessEnd OpenInOtherProcess(const std::string& folder, const std::string& failpoints);

// By all runs in `folder`.
std::vector<Ack> ReadAcks(const std::string& folder);

// --- for main() ---

inline constexpr char kOtherProcessFlag[] = "--other-process";
int OtherProcessMain(int argc, char** argv);

}  // namespace anneal
