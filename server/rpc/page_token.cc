#include "server/rpc/page_token.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "server/core/strings.h"
#include "server/rpc/digest.h"
#include "server/rpc/status.h"

namespace anneal {
namespace {

constexpr char kVersion = 1;
constexpr size_t kDigestBytes = 8;

std::string ShortDigest(std::string_view bytes) { return Sha256(bytes).substr(0, kDigestBytes); }

}  // namespace

std::string EncodePageToken(std::string_view query, const std::vector<int64_t>& cursor) {
  std::string bytes(1, kVersion);
  bytes += ShortDigest(query);
  for (const int64_t number : cursor) {
    for (int shift = 56; shift >= 0; shift -= 8) {
      bytes.push_back(static_cast<char>(static_cast<uint64_t>(number) >> shift & 0xFF));
    }
  }
  bytes += ShortDigest(bytes);
  return absl::WebSafeBase64Escape(bytes);
}

absl::StatusOr<std::vector<int64_t>> DecodePageToken(std::string_view query,
                                                     const std::string& token, size_t cursor_size) {
  const size_t checked_bytes = 1 + kDigestBytes + 8 * cursor_size;
  std::string bytes;
  // Encoding again what was decoded must give the same text: base64 has several spellings of the
  // same bytes.
  if (!absl::WebSafeBase64Unescape(token, &bytes) || bytes.size() != checked_bytes + kDigestBytes ||
      bytes[0] != kVersion || absl::WebSafeBase64Escape(bytes) != token ||
      bytes.substr(checked_bytes) !=
          ShortDigest(std::string_view(bytes).substr(0, checked_bytes))) {
    return InvalidRequest("page_token",
                          "not a page token; give the next_page_token of the answer before");
  }
  if (bytes.substr(1, kDigestBytes) != ShortDigest(query)) {
    return InvalidRequest(
        "page_token",
        "the token is of another query; keep everything but page_size the same from page to page");
  }
  std::vector<int64_t> cursor;
  for (size_t i = 0; i < cursor_size; ++i) {
    uint64_t number = 0;
    for (size_t j = 0; j < 8; ++j) {
      number = number << 8 | static_cast<unsigned char>(bytes[1 + kDigestBytes + 8 * i + j]);
    }
    cursor.push_back(static_cast<int64_t>(number));
  }
  return cursor;
}

absl::StatusOr<int64_t> ResolvePageSize(int64_t page_size, int64_t fallback, int64_t maximum) {
  if (page_size < 0) {
    return InvalidRequest("page_size", absl::StrCat("must not be negative, is ", page_size));
  }
  return page_size == 0 ? fallback : std::min(page_size, maximum);
}

}  // namespace anneal
