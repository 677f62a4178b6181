// A safetensors file that is written durably and read only as it was written.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/engine/safetensors.h"

namespace anneal {

// What tells a file from every other.
struct FileIdentity {
  int64_t bytes = 0;
  std::string sha256;  // hex
};

// Errors of DurableFile.
absl::StatusOr<FileIdentity> WriteTensorFile(const std::string& path,
                                             const std::vector<NamedTensor>& tensors,
                                             const SafetensorsMetadata& metadata);

// DATA_LOSS: the file is missing, is no file, or its size or SHA-256 is another; the message is a
// sentence that begins with the path.
absl::StatusOr<Safetensors> ReadTensorFile(const std::string& path, const FileIdentity& identity);

}  // namespace anneal
