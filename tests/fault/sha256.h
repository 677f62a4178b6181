// SHA-256 of a string, hex.
#pragma once

#include <openssl/sha.h>

#include <array>
#include <string>

#include "absl/strings/escaping.h"

namespace anneal {

inline std::string Sha256Of(const std::string& bytes) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest.data());
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest.data()), digest.size()));
}

}  // namespace anneal
