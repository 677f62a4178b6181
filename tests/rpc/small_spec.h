// A job file for tests.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include <google/protobuf/text_format.h>

#include "absl/strings/str_cat.h"
#include "anneal/v1/job.pb.h"

namespace anneal {

// A valid spec on the generated data set.
inline v1::JobSpec SmallSpec(const std::string& name, int64_t epochs = 1) {
  v1::JobSpec spec;
  const bool parsed = google::protobuf::TextFormat::ParseFromString(
      absl::StrCat(
          "name: '", name, "' training { dataset { name: 'synthetic-shapes' }",
          " input { rescale { factor: 0.00392156862745098 } } network { layers { flatten {} }",
          " layers { dense { units: 10 activation: SOFTMAX } } }",
          " loss { sparse_categorical_crossentropy {} } optimizer { sgd {} } epochs: ", epochs,
          " }"),
      &spec);
  EXPECT_TRUE(parsed);
  return spec;
}

}  // namespace anneal
