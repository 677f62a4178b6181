// Every field of a job spec is read by something: the cases of spec_field_cases.h show its effect,
// and the descriptors show that no field is without a case.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "server/engine/lr_range_test.h"
#include "server/engine/trainer.h"
#include "tests/engine/small_training.h"
#include "tests/engine/spec_field_cases.h"
#include "tests/support/manual_clock.h"

namespace anneal {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::TextFormat;

// What ranks a sweep's trials: read where they are ranked, with a test there. A prediction's fields:
// predictor_test.cc has such a test of them.
const std::set<std::string> kElsewhere = {"Sweep.monitor", "Sweep.mode", "JobSpec.prediction"};

constexpr char kActivations[] =
    "LINEAR|RELU|RELU6|LEAKY_RELU|SELU|CELU|GELU|SILU|MISH|SOFTPLUS|SOFTSIGN|TANH|SIGMOID"
    "|HARD_SIGMOID|HARD_SILU|EXPONENTIAL|SOFTMAX|LOG_SOFTMAX";

template <typename DescriptorType>
std::string NameOf(const DescriptorType& descriptor) {
  return descriptor.full_name().substr(std::string("anneal.v1.").size());
}

// "small" with dark and bright exchanged.
Dataset InvertedDataset() {
  const Dataset small = SmallDataset();
  DatasetInfo info = small.info();
  info.name = "inverted";
  std::vector<DatasetSplit> splits;
  for (const SplitInfo& split_info : info.splits) {
    splits.push_back(*small.FindSplit(split_info.name));
    for (uint8_t& value : splits.back().images) value = static_cast<uint8_t>(255 - value);
  }
  return Dataset(info, std::move(splits));
}

struct Alternative {
  v1::JobSpec spec;
  bool refused = false;  // as the case has it
  std::string text;
};

std::string JobText(Place place, const std::string& text) {
  constexpr char kLast[] = "layers { dense { units: 4 activation: SOFTMAX } }";
  const auto training = [](const std::string& fields) {
    return absl::StrCat("name: 'a' training { ", fields, " }");
  };
  switch (place) {
    case Place::kJob:
      break;
    case Place::kTraining:
      return training(text);
    case Place::kOptimizer:
      return training(absl::StrCat("optimizer { ", text, " }"));
    case Place::kImage:
      return training(
          absl::StrCat("network { layers { ", text, " } layers { flatten {} } ", kLast, " }"));
    case Place::kVector:
      return training(absl::StrCat(
          "network { layers { flatten {} } layers { dense { units: 6 kernel_initializer { "
          "random_normal { stddev: 0.5 } } } } layers { ",
          text, " } ", kLast, " }"));
  }
  return text;
}

// What a case leaves out.
void FillIn(v1::JobSpec& spec) {
  if (!spec.has_training()) return;
  v1::TrainingSpec& training = *spec.mutable_training();
  const auto parse = [](const std::string& text, Message* message) {
    ASSERT_TRUE(TextFormat::ParseFromString(text, message)) << text;
  };
  if (!training.has_dataset()) training.mutable_dataset()->set_name("small");
  if (training.input().empty())
    parse("rescale { factor: 0.01 offset: -0.8 }", training.add_input());
  if (!training.has_network()) {
    parse("layers { flatten {} } layers { dense { units: 4 activation: SOFTMAX } }",
          training.mutable_network());
  }
  if (!training.has_loss()) parse("sparse_categorical_crossentropy {}", training.mutable_loss());
  if (!training.has_optimizer()) parse("sgd { learning_rate: 0.1 }", training.mutable_optimizer());
  if (!training.has_batch_size()) training.set_batch_size(20);
  if (!training.has_epochs()) training.set_epochs(2);
  if (!training.has_validation()) training.mutable_validation()->set_split("test");
}

std::vector<Alternative> AlternativesOf(const SpecFieldCase& field_case) {
  const std::string text = absl::StrReplaceAll(field_case.text, {{"LIST", kActivations}});
  const size_t begin = text.find('<');
  const size_t end = text.find('>', begin);
  EXPECT_NE(end, std::string::npos) << text;
  std::vector<Alternative> alternatives;
  const std::vector<std::string> parts =
      absl::StrSplit(text.substr(begin + 1, end - begin - 1), '|');
  for (const std::string& part : parts) {
    Alternative alternative;
    alternative.refused = absl::StartsWith(part, "!");
    alternative.text = JobText(field_case.place,
                               absl::StrCat(text.substr(0, begin), part.substr(alternative.refused),
                                            text.substr(end + 1)));
    EXPECT_TRUE(TextFormat::ParseFromString(alternative.text, &alternative.spec))
        << alternative.text;
    FillIn(alternative.spec);
    alternatives.push_back(std::move(alternative));
  }
  return alternatives;
}

std::string ValueOf(const Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  std::string value;
  if (!field.is_repeated()) {
    if (reflection.HasField(message, &field))
      TextFormat::PrintFieldValueToString(message, &field, -1, &value);
    return absl::StrCat(reflection.HasField(message, &field) ? "=" : "", value);
  }
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
    std::string element;
    TextFormat::PrintFieldValueToString(message, &field, i, &element);
    absl::StrAppend(&value, "=", element);
  }
  return value;
}

// What the cases have shown.
struct Covered {
  std::set<std::string> fields;
  std::set<std::string> enum_values;  // "Dense.activation = RELU"
};

// Notes `field` and the fields that lead to it in `covered`. False: a and b differ in another one.
bool DifferOnlyIn(const std::string& field, const Message& a, const Message& b, Covered& covered) {
  const Descriptor& descriptor = *a.GetDescriptor();
  for (int i = 0; i < descriptor.field_count(); ++i) {
    const FieldDescriptor& inner = *descriptor.field(i);
    if (ValueOf(a, inner) == ValueOf(b, inner)) continue;
    covered.fields.insert(NameOf(inner));
    if (NameOf(inner) == field || (inner.real_containing_oneof() != nullptr &&
                                   NameOf(*inner.real_containing_oneof()) == field)) {
      if (inner.enum_type() != nullptr) {
        for (const Message* const message : {&a, &b}) {
          covered.enum_values.insert(absl::StrCat(
              NameOf(inner), " = ", message->GetReflection()->GetEnum(*message, &inner)->name()));
        }
      }
      continue;
    }
    if (inner.message_type() == nullptr) return false;
    const Reflection& reflection = *a.GetReflection();
    if (inner.is_repeated()) {
      const int size = reflection.FieldSize(a, &inner);
      if (reflection.FieldSize(b, &inner) != size) return false;
      for (int k = 0; k < size; ++k) {
        if (!DifferOnlyIn(field, reflection.GetRepeatedMessage(a, &inner, k),
                          reflection.GetRepeatedMessage(b, &inner, k), covered)) {
          return false;
        }
      }
    } else if (!reflection.HasField(a, &inner) || !reflection.HasField(b, &inner) ||
               !DifferOnlyIn(field, reflection.GetMessage(a, &inner),
                             reflection.GetMessage(b, &inner), covered)) {
      return false;
    }
  }
  return true;
}

class SpecFields : public ::testing::Test {
 protected:
  SpecFields() {
    for (const Dataset& dataset : {SmallDataset(), InvertedDataset()}) {
      catalog_.Add(dataset.info());
      datasets_[dataset.info().name] = std::make_shared<Dataset>(dataset);
    }
  }

  // All that a client can see of what becomes of the job. The clock stands still.
  std::string OutcomeOf(const ValidatedSpec& spec) const {
    switch (spec.proto().search_case()) {
      case v1::JobSpec::kLrRangeTest:
        return TestLearningRates(spec);
      case v1::JobSpec::kSweep:
        return Trials(spec);
      case v1::JobSpec::SEARCH_NOT_SET:
        break;
    }
    return Train(spec);
  }

  static std::string Trials(const ValidatedSpec& spec) {
    std::string text;
    for (const PlannedTrial& trial : spec.trials()) {
      for (const TrialSetting& setting : trial.settings)
        absl::StrAppend(&text, setting.path, "=", setting.value, " ");
      absl::StrAppend(&text, "; ");
    }
    return text;
  }

  std::string TestLearningRates(const ValidatedSpec& spec) const {
    ProgressCell progress;
    const ManualClock clock;
    const auto outcome =
        RunLearningRateRangeTest(spec, datasets_.at(spec.training().dataset().name()),
                                 MakeCpuKernels(), clock, std::stop_token(), progress);
    if (!outcome.ok()) return outcome.status().ToString();
    std::string text;
    for (const LearningRatePoint& point : outcome->result.learning_rate_curve->points)
      absl::StrAppendFormat(&text, " %a %a", point.learning_rate, point.smoothed_loss);
    return text;
  }

  std::string Train(const ValidatedSpec& spec) const {
    RecordingObserver observer;
    ProgressCell progress;
    const ManualClock clock;
    const auto outcome =
        RunTraining(spec, datasets_.at(spec.training().dataset().name()), MakeCpuKernels(), "", {}, clock,
                    std::stop_token(), observer, progress);
    if (!outcome.ok()) return outcome.status().ToString();
    std::string text = absl::StrFormat("%d %s weights %s", static_cast<int>(outcome->stop_reason),
                                       outcome->message, outcome->result.weights_sha256);
    const auto append = [&](const std::vector<MetricValue>& metrics) {
      for (const MetricValue& metric : metrics)
        absl::StrAppendFormat(&text, " %s %a", metric.name, metric.value);
    };
    for (const EpochRecord& record : observer.records) append(record.metrics);
    append(outcome->result.metrics);
    return text;
  }

  void Check(const SpecFieldCase& field_case) {
    SCOPED_TRACE(absl::StrCat(field_case.field, ": ", field_case.text));
    const std::vector<Alternative> alternatives = AlternativesOf(field_case);
    ASSERT_GE(alternatives.size(), 2U);
    ASSERT_FALSE(alternatives[0].refused);
    std::map<std::string, std::string> outcomes;  // and whose it is
    for (const Alternative& alternative : alternatives) {
      SCOPED_TRACE(alternative.text);
      if (&alternative != &alternatives[0]) {
        Covered covered;
        ASSERT_TRUE(DifferOnlyIn(field_case.field, alternatives[0].spec, alternative.spec, covered))
            << "the alternatives differ in more than " << field_case.field;
        ASSERT_FALSE(covered.fields.empty()) << "the alternatives are the same";
        covered_.fields.merge(covered.fields);
        covered_.enum_values.merge(covered.enum_values);
      }
      const ValidationResult valid = Validate(alternative.spec, catalog_);
      if (alternative.refused) {
        EXPECT_FALSE(valid.violations.empty()) << "should be refused";
        continue;
      }
      for (const Violation& violation : valid.violations)
        ADD_FAILURE() << violation.field << ": " << violation.description;
      if (!valid.spec.has_value()) continue;
      const std::string outcome = OutcomeOf(*valid.spec);
      const auto [other, is_new] = outcomes.emplace(outcome, alternative.text);
      EXPECT_TRUE(is_new) << "trains as " << other->second;
      if (outcomes.size() == 1) {
        EXPECT_EQ(OutcomeOf(*valid.spec), outcome) << "a difference would not be the field's";
      }
    }
  }

  // Every field that is reachable from `descriptor`, and every value of its enumerations.
  void CheckCoverage(const Descriptor& descriptor, std::set<std::string>& seen) const {
    if (!seen.insert(descriptor.full_name()).second) return;
    for (int i = 0; i < descriptor.field_count(); ++i) {
      const FieldDescriptor& field = *descriptor.field(i);
      const std::string name = NameOf(field);
      seen.insert(name);
      if (kElsewhere.contains(name)) continue;
      EXPECT_TRUE(covered_.fields.contains(name)) << "no case shows that " << name << " is read";
      if (field.message_type() != nullptr) CheckCoverage(*field.message_type(), seen);
      if (field.enum_type() == nullptr) continue;
      for (int k = 0; k < field.enum_type()->value_count(); ++k) {
        const std::string value = absl::StrCat(name, " = ", field.enum_type()->value(k)->name());
        EXPECT_TRUE(covered_.enum_values.contains(value))
            << "no case shows that " << value << " is told from others";
      }
    }
  }

  FakeCatalog catalog_;
  std::map<std::string, std::shared_ptr<Dataset>> datasets_;
  Covered covered_;
};

TEST_F(SpecFields, EachIsReadByValidationOrTraining) {
  const auto check = [&](const auto& cases) {
    for (const SpecFieldCase& field_case : cases) Check(field_case);
  };
  check(kRunCases);
  check(kInputCases);
  check(kLossCases);
  check(kOptimizerCases);
  check(kScheduleCases);
  check(kLayerCases);
  check(kWeightCases);
  check(kSelectionCases);
  check(kDiagnosticsCases);
  check(kPruningCases);
  check(kSearchCases);
  std::set<std::string> seen;
  CheckCoverage(*v1::JobSpec::descriptor(), seen);
  for (const std::string& name : kElsewhere) EXPECT_TRUE(seen.contains(name)) << name;
}

}  // namespace
}  // namespace anneal
