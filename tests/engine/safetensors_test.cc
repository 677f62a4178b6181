#include "server/engine/safetensors.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace anneal {
namespace {

std::string Write(const std::vector<NamedTensor>& tensors, const SafetensorsMetadata& metadata) {
  std::string file;
  const absl::Status written =
      WriteSafetensors(tensors, metadata, [&](const void* bytes, size_t count) {
        file.append(static_cast<const char*>(bytes), count);
        return absl::OkStatus();
      });
  EXPECT_TRUE(written.ok()) << written;
  return file;
}

// A file with this header, and `data` after it.
std::string File(const std::string& header, const std::string& data = "") {
  const uint64_t length = header.size();
  std::string file(8, '\0');
  std::memcpy(file.data(), &length, 8);
  return absl::StrCat(file, header, data);
}

std::vector<NamedTensor> Tensors() {
  return {{"dense_1/kernel", at::arange(6, at::TensorOptions().dtype(at::kFloat)).view({2, 3})},
          {"é/\"quoted\"\n", at::tensor({int64_t{-1}, int64_t{1} << 40})},
          {"none", at::zeros({0, 4})},
          {"one", at::tensor(2.5F).reshape(at::IntArrayRef())}};
}

TEST(Safetensors, ComesBackAsItWas) {
  const std::string file = Write(Tensors(), {{"anneal.model", "x=="}, {"k", "ü"}});
  const auto parsed = ParseSafetensors(file);
  ASSERT_TRUE(parsed.ok()) << parsed.status() << file;
  EXPECT_EQ(parsed->metadata.at("anneal.model"), "x==");
  EXPECT_EQ(parsed->metadata.at("k"), "ü");
  ASSERT_EQ(parsed->tensors.size(), 4U);
  for (const NamedTensor& tensor : Tensors()) {
    ASSERT_EQ(parsed->tensors.count(tensor.name), 1U) << tensor.name;
    EXPECT_TRUE(at::equal(parsed->tensors.at(tensor.name), tensor.value)) << tensor.name;
    EXPECT_EQ(parsed->tensors.at(tensor.name).sizes(), tensor.value.sizes());
  }
}

// The bytes that the format's description gives for one tensor, without padding by us.
TEST(Safetensors, ReadsAFileMadeByHand) {
  std::string data(8, '\0');
  const float values[] = {1.5F, -2.0F};
  std::memcpy(data.data(), values, 8);
  const auto parsed = ParseSafetensors(
      File(R"({"w":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}})", data));
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_TRUE(at::equal(parsed->tensors.at("w"), at::tensor({1.5F, -2.0F}).view({1, 2})));
}

TEST(Safetensors, TheFirstTensorIsAligned) {
  const std::string file = Write(Tensors(), {});
  uint64_t length = 0;
  std::memcpy(&length, file.data(), 8);
  EXPECT_EQ(length % 8, 0U);
  EXPECT_EQ(file[8], '{');
}

TEST(Safetensors, AnErrorOfTheSinkIsHandedOn) {
  int calls = 0;
  const absl::Status written = WriteSafetensors(Tensors(), {}, [&](const void*, size_t) {
    return ++calls == 2 ? absl::ResourceExhaustedError("full") : absl::OkStatus();
  });
  EXPECT_TRUE(absl::IsResourceExhausted(written));
  EXPECT_EQ(calls, 2);
}

TEST(Safetensors, CutAnywhereItIsRefused) {
  std::vector<NamedTensor> tensors = Tensors();
  const std::string file = Write(tensors, {{"k", "v"}});
  for (size_t length = 0; length < file.size(); ++length) {
    const auto parsed = ParseSafetensors(std::string_view(file).substr(0, length));
    EXPECT_TRUE(absl::IsInvalidArgument(parsed.status())) << length;
  }
}

TEST(Safetensors, HostileHeadersAreRefused) {
  const std::string data(16, 'x');
  const auto tensor = [](const std::string& dtype, const std::string& shape,
                         const std::string& offsets) {
    return absl::StrCat("{\"w\":{\"dtype\":\"", dtype, "\",\"shape\":", shape,
                        ",\"data_offsets\":", offsets, "}}");
  };
  for (const std::string& header : {
           std::string("[]"), std::string("{"), std::string("null"), std::string("{\"w\":3}"),
           std::string("{\"__metadata__\":{\"a\":1}}"), std::string("{\"__metadata__\":[]}"),
           std::string(1000, '['),
           tensor("F16", "[4]", "[0,16]"), tensor("F32", "[5]", "[0,16]"),
           tensor("F32", "[4]", "[0,32]"), tensor("F32", "[4]", "[16,0]"),
           tensor("F32", "[4]", "[-16,0]"), tensor("F32", "[4]", "[0]"),
           tensor("F32", "[-4]", "[0,16]"), tensor("F32", "[4.0]", "[0,16]"),
           tensor("F32", "\"4\"", "[0,16]"), tensor("F32", "[4]", "[0,16.0]"),
           tensor("F32", "[4294967296,4294967296]", "[0,16]"),
           tensor("F32", "[9223372036854775808,2]", "[0,16]"),
           tensor("F32", "[18446744073709551616]", "[0,16]"),
           tensor("F32", "[0,18446744073709551615]", "[0,0]"),
           tensor("F32", "[4]", "[18446744073709551600,18446744073709551616]"),
       }) {
    const auto parsed = ParseSafetensors(File(header, data));
    EXPECT_TRUE(absl::IsInvalidArgument(parsed.status())) << header;
  }
  EXPECT_FALSE(ParseSafetensors(std::string("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10)).ok());
}

}  // namespace
}  // namespace anneal
