// What is well-formed UTF-8 (Unicode 15, table 3-7).
#pragma once

#include <cstddef>
#include <string_view>

namespace anneal {

// The length in bytes of the well-formed sequence that `text` (not empty) begins with; 0 where
// there is none.
size_t Utf8SequenceLength(std::string_view text);

}  // namespace anneal
