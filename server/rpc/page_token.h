// Where a list goes on. Opaque to clients, and worthless for another query.
//
// A token is web-safe base64 of: version (1 byte), the first 8 bytes of the SHA-256 of the query,
// the cursor's numbers (8 bytes each, big-endian), and the first 8 bytes of the SHA-256 of
// everything before. The check is against mistakes and curiosity, not against forgery: a forged
// token reaches nothing that its maker could not list anyway.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace anneal {

// `query`: bytes that stand for what is listed, the same for every page of it.
std::string EncodePageToken(std::string_view query, const std::vector<int64_t>& cursor);

// The cursor, of `cursor_size` numbers. INVALID_ARGUMENT (field page_token): not a token, or one of
// another query.
absl::StatusOr<std::vector<int64_t>> DecodePageToken(std::string_view query,
                                                     const std::string& token, size_t cursor_size);

// The size to use: `fallback` for 0, never more than `maximum`. INVALID_ARGUMENT (field page_size):
// negative.
absl::StatusOr<int64_t> ResolvePageSize(int64_t page_size, int64_t fallback, int64_t maximum);

}  // namespace anneal
