// Debian builds Abseil in C++14, where absl::string_view is a type of its own.
#pragma once

#include <string_view>

#include "absl/strings/string_view.h"

namespace anneal {

inline absl::string_view ToAbsl(std::string_view text) {
  return absl::string_view(text.data(), text.size());
}

}  // namespace anneal
