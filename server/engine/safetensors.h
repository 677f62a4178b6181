// The safetensors format, as its repository documents it (README, section "Format"):
//
//   8 bytes      N, the size of the header: unsigned, little-endian
//   N bytes      the header: a JSON object that begins with {, padded with spaces;
//                "NAME": {"dtype": "F32", "shape": [2, 3], "data_offsets": [BEGIN, END]}, relative
//                to the end of the header; "__metadata__": an object of strings
//   the rest     the tensors, row-major and little-endian, without gaps
//
// Nothing in such a file is ever executed.
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace anneal {

struct NamedTensor {
  std::string name;
  at::Tensor value;  // float32 or int64
};

using SafetensorsMetadata = std::map<std::string, std::string>;

// Hands the file to `write`, piece by piece, and returns its first error. Tensors keep their order;
// names must be unique. They may be on any device and need not be contiguous.
absl::Status WriteSafetensors(
    const std::vector<NamedTensor>& tensors, const SafetensorsMetadata& metadata,
    const std::function<absl::Status(const void* bytes, size_t count)>& write);

struct Safetensors {
  SafetensorsMetadata metadata;
  std::map<std::string, at::Tensor> tensors;  // float32 or int64, on the CPU, their own memory
};

// Of a whole file's bytes. INVALID_ARGUMENT: it is not one, or has tensors of other types; the
// message says what is wrong.
absl::StatusOr<Safetensors> ParseSafetensors(std::string_view file);

}  // namespace anneal
