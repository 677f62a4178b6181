// What the optimizers' tests share.
#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <random>
#include <string>

#include "google/protobuf/text_format.h"
#include "server/engine/optimizer.h"

namespace anneal {

inline constexpr ComputePath kPaths[] = {ComputePath::kFused, ComputePath::kAten};
inline const at::Device kCpu(at::kCPU);

inline v1::Optimizer Parse(const std::string& text) {
  v1::Optimizer spec;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &spec)) << text;
  return spec;
}

inline const char* Name(ComputePath path) { return path == ComputePath::kFused ? "fused" : "ATen"; }

// The same numbers in every process, of sizes from 1e-4 to 1e2.
inline at::Tensor Random(int64_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  at::Tensor values = at::empty({count});
  for (int64_t i = 0; i < count; ++i) {
    values.data_ptr<float>()[i] =
        normal(random) * std::pow(10.0F, static_cast<float>(i % 7) - 4.0F);
  }
  return values;
}

}  // namespace anneal
