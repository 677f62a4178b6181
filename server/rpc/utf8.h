// Protobuf strings must be UTF-8: a receiver refuses a whole message for one wrong byte. What comes
// from file names or libraries' error texts may be anything.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace anneal {

// `text` with every byte that is not part of a well-formed sequence (Unicode 15, table 3-7)
// replaced by U+FFFD.
std::string ToUtf8(std::string_view text);

// At most `max_bytes` (at least 3) of well-formed `text`, cut between characters; what was cut ends
// in "...".
std::string Shorten(std::string_view text, size_t max_bytes);

}  // namespace anneal
