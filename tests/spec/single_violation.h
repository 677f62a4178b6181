// One table row: a change to the good job, and the one violation that it must cause.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/spec/validated_spec.h"
#include "tests/spec/job_specs.h"

namespace anneal {

struct ViolationCase {
  std::string name;
  std::string from;  // a piece of GoodJob()
  std::string to;
  std::string field;
  std::string description;  // a part of it
};

// For failure messages.
inline void PrintTo(const ViolationCase& test, std::ostream* out) { *out << test.name; }

inline std::string CaseName(const testing::TestParamInfo<ViolationCase>& info) {
  return info.param.name;
}

inline void ExpectSingleViolation(const ViolationCase& test) {
  const ValidationResult result = JudgeText(GoodJobWith({{test.from, test.to}}));
  EXPECT_FALSE(result.spec.has_value());
  EXPECT_THAT(result.warnings, testing::IsEmpty());
  ASSERT_THAT(Fields(result), testing::ElementsAre(test.field)) << Show(result);
  EXPECT_THAT(result.violations[0].description, testing::HasSubstr(test.description));
}

// Pieces of GoodJob(), and the paths of what may stand in their place.
inline constexpr const char* kHidden =
    "dense { units: 100 activation: ELU kernel_initializer { he_normal {} } }";
inline constexpr const char* kHiddenPath = "training.network.layers[1].dense";
inline constexpr const char* kHiddenUnits = "units: 100";
inline constexpr const char* kSgd = "sgd { learning_rate: 0.01 momentum: 0.9 }";
inline constexpr const char* kHeNormal = "he_normal {}";
inline constexpr const char* kInitializerPath =
    "training.network.layers[1].dense.kernel_initializer";
inline constexpr const char* kFlatten = "layers { flatten {} }";
inline constexpr const char* kDropout = "dropout { rate: 0.5 }";
inline constexpr const char* kDropoutPath = "training.network.layers[2]";
inline constexpr const char* kOutput = "dense { units: 10 activation: SOFTMAX }";
inline constexpr const char* kOutputPath = "training.network.layers[3].dense";
inline constexpr const char* kLoss = "sparse_categorical_crossentropy {}";
inline constexpr const char* kStep = "rescale { factor: 0.00392156862745098 }";

inline std::string At(const std::string& path, const std::string& field) {
  return path + "." + field;
}

}  // namespace anneal
