// Labels: what people sort their jobs by, such as project=thesis.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace anneal {

inline constexpr int64_t kMaxLabels = 50;  // of one job
inline constexpr size_t kMaxLabelKeyBytes = 63;
inline constexpr size_t kMaxLabelValueBytes = 200;

// "" where `key` can be a label's: letters, digits, '.', '_', '-' and '/', at most 63, the first a
// letter or digit. Else what is wrong with it, a sentence's end: "must begin with ...".
std::string CheckLabelKey(std::string_view key);

// "" where `value` can be a label's: UTF-8 without control characters, at most 200 bytes; may be
// empty.
std::string CheckLabelValue(std::string_view value);

}  // namespace anneal
