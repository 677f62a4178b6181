#include "server/core/prediction.h"

namespace anneal {

std::string_view MeasureName(Measure measure) {
  switch (measure) {
    case Measure::kConfidence:
      return "confidence";
    case Measure::kEntropy:
      return "entropy";
    case Measure::kExpectedEntropy:
      return "expected_entropy";
    case Measure::kMutualInformation:
      return "mutual_information";
    case Measure::kVariationRatio:
      return "variation_ratio";
    case Measure::kMargin:
      return "margin";
    case Measure::kNll:
      return "nll";
    case Measure::kBrier:
      return "brier";
  }
  return "";
}

std::optional<Measure> ParseMeasure(std::string_view name) {
  for (const Measure measure : kAllMeasures) {
    if (name == MeasureName(measure)) return measure;
  }
  return std::nullopt;
}

std::string_view ImageFactName(ImageFact fact) {
  switch (fact) {
    case ImageFact::kLabel:
      return "label";
    case ImageFact::kPredicted:
      return "predicted";
    case ImageFact::kDeterministicPredicted:
      return "deterministic_predicted";
  }
  return "";
}

std::optional<ImageFact> ParseImageFact(std::string_view name) {
  for (const ImageFact fact : kAllImageFacts) {
    if (name == ImageFactName(fact)) return fact;
  }
  return std::nullopt;
}

}  // namespace anneal
