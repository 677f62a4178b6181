// How values appear in violations and warnings: always valid UTF-8 without control characters, and
// short, whatever the client sent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace anneal {

// Invalid UTF-8 and control characters escaped as "\x0a"; cut, with dots, after some `max_bytes`.
std::string Printable(std::string_view text, size_t max_bytes);

// Printable, in double quotes, cut after some 80 bytes.
std::string Quote(std::string_view text);

// The shortest decimal that reads back as `value`; "NaN", "Infinity", "-Infinity".
std::string FormatReal(double value);

// With thousands separators: "1,000,000". A saturated count (saturating.h) is "more than
// 9,000,000,000,000,000,000".
std::string FormatCount(int64_t count);

// "512 bytes", "1.5 GiB".
std::string FormatBytes(int64_t bytes);

// "[32, 32, 3]"; a size that is not known (below 0) is "?".
std::string FormatShape(const std::vector<int64_t>& shape);

// "2x3"
std::string FormatSize(int64_t height, int64_t width);

// The names quoted and separated by commas, the first 20 of them.
std::string QuotedList(const std::vector<std::string>& names);

// Why `text` is not a name: longer than `max_bytes`, not UTF-8, or with control characters. Empty
// where it is one.
std::string NameProblem(std::string_view text, size_t max_bytes);

}  // namespace anneal
