// The warnings found so far.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/spec/limits.h"

namespace anneal {

// Keeps each warning once (every round of a repeat finds the same) and at most limits::kWarnings.
class WarningList {
 public:
  void Add(const std::string& field, const std::string& text) {
    std::string warning = absl::StrCat(field, ": ", text);
    if (!seen_.insert(warning).second) return;
    if (warnings_.size() < limits::kWarnings) {
      warnings_.push_back(std::move(warning));
    } else {
      ++more_;
    }
  }

  // In the order found; where some were only counted, a last entry says how many.
  std::vector<std::string> Take() && {
    if (more_ > 0) warnings_.push_back(absl::StrCat("...: and ", more_, " more warnings"));
    return std::move(warnings_);
  }

 private:
  std::vector<std::string> warnings_;
  std::unordered_set<std::string> seen_;
  int64_t more_ = 0;
};

}  // namespace anneal
