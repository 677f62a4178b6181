// What the programs of this folder take beside the options of their test framework.
#pragma once

#include <cstdint>
#include <string>

namespace anneal {

struct FaultOptions {
  bool full = false;      // --full: the full figures, minutes instead of seconds
  uint64_t seed = 1;      // --seed=N: other cases of the same number
  std::string only = "";  // --only=CASE: this one case, as a failure prints it
};

// As given on the command line.
const FaultOptions& TheFaultOptions();

// This program; to run it again as another process.
const std::string& ThisProgram();

// Where files lie in memory, if there is such a place: what a test does not learn from the disk's
// speed need not wait for it.
std::string QuickFolder();

// A folder of its own in there, removed with the object.
class QuickTempFolder {
 public:
  QuickTempFolder();
  ~QuickTempFolder();
  QuickTempFolder(const QuickTempFolder&) = delete;
  QuickTempFolder& operator=(const QuickTempFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace anneal
