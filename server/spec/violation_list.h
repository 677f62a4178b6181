// The violations found so far, in the order found.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/spec/limits.h"
#include "server/spec/validated_spec.h"

namespace anneal {

// Keeps the first limits::kViolations and counts the rest, so that a hostile spec cannot make the
// answer large.
class ViolationList {
 public:
  void Add(std::string field, std::string description) {
    if (violations_.size() < limits::kViolations) {
      violations_.push_back({std::move(field), std::move(description)});
    } else {
      ++more_;
    }
  }

  bool empty() const { return violations_.empty(); }

  // What was kept so far.
  const std::vector<Violation>& kept() const { return violations_; }

  // What was found; where some were only counted, a last entry with the field "..." says how many.
  std::vector<Violation> Take() && {
    if (more_ > 0) violations_.push_back({"...", absl::StrCat("and ", more_, " more violations")});
    return std::move(violations_);
  }

 private:
  std::vector<Violation> violations_;
  int64_t more_ = 0;
};

}  // namespace anneal
