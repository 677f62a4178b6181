#include "server/core/job_labels.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "server/core/utf8.h"

namespace anneal {

std::string CheckLabelKey(std::string_view key) {
  const auto is_alnum = [](char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)); };
  if (key.empty()) return "must not be empty";
  if (key.size() > kMaxLabelKeyBytes) {
    return absl::StrCat("must have at most ", kMaxLabelKeyBytes, " bytes, has ", key.size());
  }
  if (!is_alnum(key[0])) return "must begin with a letter or a digit";
  const bool all_known = std::all_of(key.begin(), key.end(), [&](char c) {
    return is_alnum(c) || c == '.' || c == '_' || c == '-' || c == '/';
  });
  return all_known ? "" : "may have letters, digits, '.', '_', '-' and '/' only";
}

std::string CheckLabelValue(std::string_view value) {
  if (value.size() > kMaxLabelValueBytes) {
    return absl::StrCat("must have at most ", kMaxLabelValueBytes, " bytes, has ", value.size());
  }
  for (std::string_view rest = value; !rest.empty();) {
    const size_t length = Utf8SequenceLength(rest);
    if (length == 0) return "must be valid UTF-8";
    rest.remove_prefix(length);
  }
  bool has_control = std::any_of(value.begin(), value.end(), [](char c) {
    return absl::ascii_iscntrl(static_cast<unsigned char>(c));
  });
  // U+0080 to U+009F: of two bytes in UTF-8, the first of them 0xC2.
  for (size_t i = 0; i + 1 < value.size(); ++i) {
    const auto next = static_cast<unsigned char>(value[i + 1]);
    has_control |= value[i] == '\xC2' && next < 0xA0;
  }
  return has_control ? "must have no control characters" : "";
}

}  // namespace anneal
