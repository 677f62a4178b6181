#include "server/rpc/prediction_order.h"

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/core/prediction.h"
#include "server/core/strings.h"
#include "server/spec/text.h"

namespace anneal {
namespace {

absl::Status UnknownField(const std::string& name) {
  std::string text = absl::StrCat("nothing is called ", Quote(name), "; there are image");
  for (const ImageFact fact : kAllImageFacts) {
    absl::StrAppend(&text, ", ", ToAbsl(ImageFactName(fact)));
  }
  for (const Measure measure : kAllMeasures) {
    absl::StrAppend(&text, ", ", ToAbsl(MeasureName(measure)));
  }
  return absl::InvalidArgumentError(text);
}

}  // namespace

absl::StatusOr<PredictionOrder> ParsePredictionOrder(std::string_view order_by) {
  const std::vector<std::string> words =
      absl::StrSplit(ToAbsl(order_by), absl::ByAnyChar(" \t\r\n"), absl::SkipEmpty());
  PredictionOrder order;
  if (words.empty()) return order;
  if (const std::optional<Measure> measure = ParseMeasure(words[0]); measure.has_value()) {
    order.by = PredictionOrder::By::kMeasure;
    order.column = static_cast<size_t>(*measure);
  } else if (const std::optional<ImageFact> fact = ParseImageFact(words[0]); fact.has_value()) {
    order.by = PredictionOrder::By::kFact;
    order.column = static_cast<size_t>(*fact);
  } else if (words[0] != "image") {
    return UnknownField(words[0]);
  }
  if (words.size() == 1) return order;
  order.descending = absl::EqualsIgnoreCase(words[1], "desc");
  if (words.size() > 2 || (!order.descending && !absl::EqualsIgnoreCase(words[1], "asc"))) {
    return absl::InvalidArgumentError(absl::StrCat("after ", Quote(words[0]),
                                                   " comes asc, desc or nothing, not ",
                                                   Quote(words[words.size() > 2 ? 2 : 1])));
  }
  return order;
}

}  // namespace anneal
