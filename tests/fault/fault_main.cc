#include "tests/fault/fault_main.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <stdexcept>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"
#include "tests/fault/other_process.h"

namespace anneal {
namespace {

FaultOptions& Options() {
  static FaultOptions options;
  return options;
}

std::string& Program() {
  static std::string program;
  return program;
}

}  // namespace

const FaultOptions& TheFaultOptions() { return Options(); }
const std::string& ThisProgram() { return Program(); }

std::string QuickFolder() {
  return access("/dev/shm", W_OK) == 0 ? "/dev/shm"
                                       : std::filesystem::temp_directory_path().string();
}

QuickTempFolder::QuickTempFolder() {
  std::string pattern = QuickFolder() + "/anneal_fault_XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no folder " + pattern);
  path_ = pattern;
}

QuickTempFolder::~QuickTempFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace anneal

int main(int argc, char** argv) {
  anneal::Program() = std::filesystem::read_symlink("/proc/self/exe").string();
  if (argc > 1 && std::strcmp(argv[1], anneal::kOtherProcessFlag) == 0) {
    return anneal::OtherProcessMain(argc - 2, argv + 2);
  }
  testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    absl::string_view argument = argv[i];
    if (argument == "--full") {
      anneal::Options().full = true;
    } else if (absl::ConsumePrefix(&argument, "--only=")) {
      anneal::Options().only = std::string(argument);
    } else if (!absl::ConsumePrefix(&argument, "--seed=") ||
               !absl::SimpleAtoi(argument, &anneal::Options().seed)) {
      std::fprintf(stderr, "%s: unknown argument '%s'; there are --full, --seed=N, --only=CASE\n",
                   argv[0], argv[i]);
      return 2;
    }
  }
  return RUN_ALL_TESTS();
}
