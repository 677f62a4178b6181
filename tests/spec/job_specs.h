// Job specs for the tests of the validator, written as job files are.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "anneal/v1/job.pb.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "server/spec/validated_spec.h"
#include "tests/support/fake_catalog.h"

namespace anneal {

// A test failure, and an empty spec, where `text` does not parse.
inline v1::JobSpec ParseJob(const std::string& text) {
  v1::JobSpec spec;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &spec)) << text;
  return spec;
}

// A job without violations and without warnings, on Cifar10Info().
inline std::string GoodJob() {
  return R"(
name: "good"
training {
  dataset { name: "cifar10" split: "train" }
  validation { fraction: 0.1 }
  test { split: "test" }
  input { rescale { factor: 0.00392156862745098 } }
  network {
    layers { flatten {} }
    layers { dense { units: 100 activation: ELU kernel_initializer { he_normal {} } } }
    layers { dropout { rate: 0.5 } }
    layers { dense { units: 10 activation: SOFTMAX } }
  }
  loss { sparse_categorical_crossentropy {} }
  optimizer { sgd { learning_rate: 0.01 momentum: 0.9 } }
  batch_size: 32
  epochs: 30
  seed: 1
  early_stopping { monitor: "val_loss" patience: 5 restore_best_weights: true }
  device: "cpu"
}
)";
}

// GoodJob() with each first string replaced by the second. A test failure where one does not occur.
inline std::string GoodJobWith(const std::vector<std::pair<std::string, std::string>>& changes) {
  std::string text = GoodJob();
  for (const auto& [from, to] : changes) {
    EXPECT_NE(text.find(from), std::string::npos) << "not in the good job: " << from;
    absl::StrReplaceAll({{from, to}}, &text);
  }
  return text;
}

// A job with these layers and nothing else to complain of.
inline std::string JobWithLayers(const std::string& layers, const std::string& more = "") {
  return absl::StrCat(R"(
training {
  dataset { name: "cifar10" }
  input { standardize {} }
  loss { sparse_categorical_crossentropy {} }
  optimizer { nadam {} }
  network {
)",
                      layers, "}\n", more, "}\n");
}

inline ValidationResult Judge(const v1::JobSpec& spec) {
  FakeCatalog catalog;
  catalog.Add(Cifar10Info());
  return Validate(spec, catalog);
}

inline ValidationResult JudgeText(const std::string& text) { return Judge(ParseJob(text)); }

// "field: description", one a line, for failure messages.
inline std::string Show(const ValidationResult& result) {
  std::string text;
  for (const Violation& violation : result.violations) {
    absl::StrAppend(&text, violation.field, ": ", violation.description, "\n");
  }
  for (const std::string& warning : result.warnings)
    absl::StrAppend(&text, "warning: ", warning, "\n");
  return text;
}

inline std::vector<std::string> Fields(const ValidationResult& result) {
  std::vector<std::string> fields;
  for (const Violation& violation : result.violations) fields.push_back(violation.field);
  return fields;
}

}  // namespace anneal
