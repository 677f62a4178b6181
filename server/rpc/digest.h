// Bytes that stand for a message, and the digest that stands for the bytes.
#pragma once

#include <string>
#include <string_view>

#include <google/protobuf/message_lite.h>

namespace anneal {

// The same bytes for equal messages, as long as the program stays the same (maps are sorted).
std::string SerializeDeterministic(const google::protobuf::MessageLite& message);

// SHA-256 (FIPS 180-4): 32 bytes.
std::string Sha256(std::string_view bytes);

// The same as 64 lower-case hexadecimal digits.
std::string Sha256Hex(std::string_view bytes);

}  // namespace anneal
