#include "server/engine/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "server/core/status_macros.h"

namespace anneal {
namespace {

static_assert(std::endian::native == std::endian::little, "tensors are written as they are");

constexpr size_t kLengthBytes = 8;
constexpr size_t kAlignment = 8;               // of the first tensor, as the format's authors pad
constexpr uint64_t kMaxHeaderBytes = 100 << 20;  // theirs too
constexpr uint64_t kMaxEntries = uint64_t{1} << 60;  // their bytes are a number of 64 bits
constexpr char kMetadata[] = "__metadata__";

struct TypeName {
  at::ScalarType type;
  const char* name;
  size_t bytes;
};
constexpr TypeName kTypes[] = {{at::kFloat, "F32", 4}, {at::kLong, "I64", 8}};

absl::Status Damaged(const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("not a safetensors file: ", what));
}

absl::StatusOr<at::Tensor> ParseTensor(const std::string& name, const nlohmann::json& entry,
                                       std::string_view data) {
  const auto wrong = [&](const char* what) {
    return Damaged(absl::StrCat("tensor \"", name, "\" ", what));
  };
  if (!entry.is_object() || !entry.contains("dtype") || !entry["dtype"].is_string() ||
      !entry.contains("shape") || !entry["shape"].is_array() || !entry.contains("data_offsets") ||
      !entry["data_offsets"].is_array() || entry["data_offsets"].size() != 2) {
    return wrong("has no dtype, shape and two data_offsets");
  }
  const auto type = std::find_if(std::begin(kTypes), std::end(kTypes), [&](const TypeName& known) {
    return entry["dtype"].get_ref<const std::string&>() == known.name;
  });
  if (type == std::end(kTypes)) return wrong("is neither F32 nor I64");
  std::vector<int64_t> shape;
  uint64_t count = 1;
  uint64_t extent = 1;  // count, but for axes of no entries: what is multiplied must not overflow
  for (const nlohmann::json& side : entry["shape"]) {
    if (!side.is_number_unsigned()) return wrong("has a shape that is not of whole numbers");
    const auto size = side.get<uint64_t>();
    if (size != 0) {
      if (extent > kMaxEntries / size) return wrong("is larger than the file");
      extent *= size;
    }
    count *= size;
    shape.push_back(static_cast<int64_t>(size));
  }
  const nlohmann::json& offsets = entry["data_offsets"];
  if (!offsets[0].is_number_unsigned() || !offsets[1].is_number_unsigned())
    return wrong("has data_offsets that are not whole numbers");
  const auto begin = offsets[0].get<uint64_t>();
  const auto end = offsets[1].get<uint64_t>();
  if (begin > end || end > data.size()) return wrong("lies outside the file");
  if (end - begin != count * type->bytes) return wrong("has a shape that its bytes do not fill");
  at::Tensor tensor = at::empty(shape, at::TensorOptions().dtype(type->type));
  if (end > begin) std::memcpy(tensor.data_ptr(), data.data() + begin, end - begin);
  return tensor;
}

}  // namespace

absl::Status WriteSafetensors(
    const std::vector<NamedTensor>& tensors, const SafetensorsMetadata& metadata,
    const std::function<absl::Status(const void* bytes, size_t count)>& write) {
  nlohmann::ordered_json header;
  if (!metadata.empty()) header[kMetadata] = metadata;
  uint64_t offset = 0;
  for (const NamedTensor& tensor : tensors) {
    const TypeName& type = tensor.value.scalar_type() == at::kLong ? kTypes[1] : kTypes[0];
    const uint64_t end = offset + static_cast<uint64_t>(tensor.value.numel()) * type.bytes;
    header[tensor.name] = {{"dtype", type.name},
                           {"shape", tensor.value.sizes().vec()},
                           {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + kAlignment - 1) / kAlignment * kAlignment, ' ');
  const uint64_t length = text.size();
  RETURN_IF_ERROR(write(&length, kLengthBytes));
  RETURN_IF_ERROR(write(text.data(), text.size()));
  for (const NamedTensor& tensor : tensors) {
    const at::Tensor values = tensor.value.to(at::kCPU).contiguous();
    RETURN_IF_ERROR(write(values.data_ptr(), values.nbytes()));
  }
  return absl::OkStatus();
}

absl::StatusOr<Safetensors> ParseSafetensors(std::string_view file) {
  if (file.size() < kLengthBytes) return Damaged("it ends within the size of its header");
  uint64_t length = 0;
  std::memcpy(&length, file.data(), kLengthBytes);
  const std::string_view rest = file.substr(kLengthBytes);
  if (length > kMaxHeaderBytes || length > rest.size()) {
    return Damaged(absl::StrCat("its header should have ", length, " bytes, and it has ",
                                rest.size(), " after the header's size"));
  }
  const std::string_view text = rest.substr(0, length);
  const nlohmann::json header = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!header.is_object()) return Damaged("its header is not a JSON object");
  Safetensors parsed;
  for (const auto& [name, entry] : header.items()) {
    if (name == kMetadata) {
      if (!entry.is_object()) return Damaged("its metadata is not an object");
      for (const auto& [key, value] : entry.items()) {
        if (!value.is_string()) return Damaged("its metadata is not of strings");
        parsed.metadata[key] = value.get<std::string>();
      }
      continue;
    }
    ASSIGN_OR_RETURN(parsed.tensors[name], ParseTensor(name, entry, rest.substr(length)));
  }
  return parsed;
}

}  // namespace anneal
