#include "client/prediction_table.h"

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>

#include "client/class_bars.h"
#include "client/prediction_text.h"

namespace anneal::client {
namespace {

constexpr int kGap = 2;
constexpr int kNameColumns = 16;         // of a class at most
constexpr int kNumberColumns = 7;        // "87.3365"
constexpr int kLeastForNames = 12;       // "airplane 0.1"
constexpr int kMostForNames = 60;        // more is more than anybody reads
constexpr int kClassesWithNumbers = 10;  // a digit each

constexpr std::string_view kImage = "IMAGE";
constexpr std::string_view kLabel = "LABEL";
constexpr std::string_view kPredicted = "PREDICTED";

int Width(std::string_view header) { return static_cast<int>(header.size()); }

std::string WithoutTrailingSpaces(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

}  // namespace

PredictionTable::PredictionTable(const v1::PredictionSet& set, const std::string& measure,
                                 const Style& style)
    : set_(set), style_(style) {
  int names = 1;
  for (int32_t i = 0; i < set_.class_names_size(); ++i)
    names = std::max(names, std::min(kNameColumns, DisplayWidth(ClassName(set_, i))));
  // Without signs, as nothing says that a daemon's sum does not overflow.
  const std::string last =
      std::to_string(static_cast<uint64_t>(set_.begin()) +
                     static_cast<uint64_t>(std::max<int64_t>(1, set_.images())) - 1);
  image_width_ = std::max(Width(kImage), DisplayWidth(last));
  label_width_ = std::max(Width(kLabel), names);
  predicted_width_ = std::max(Width(kPredicted), names);

  const Column confidence{"CONFIDENCE", &v1::Prediction::confidence};
  const Column entropy{"ENTROPY", &v1::Prediction::entropy};
  const Column mutual{"MUTUAL INFO", &v1::Prediction::mutual_information};
  const std::optional<Column> other = OtherColumn(measure);
  if (!other) {
    Choose({confidence, entropy, mutual});
    return;
  }
  Choose({confidence, entropy, mutual, *other});
  // What is asked for and the classes say more.
  if (classes_ == Classes::kNone) Choose({confidence, mutual, *other});
}

std::optional<PredictionTable::Column> PredictionTable::OtherColumn(const std::string& measure) {
  if (measure == "expected_entropy")
    return Column{"EXPECTED ENTROPY", &v1::Prediction::expected_entropy};
  if (measure == "variation_ratio") return Column{"VARIATION", &v1::Prediction::variation_ratio};
  if (measure == "margin") return Column{"MARGIN", &v1::Prediction::margin};
  if (measure == "nll") return Column{"NLL", &v1::Prediction::nll};
  if (measure == "brier") return Column{"BRIER", &v1::Prediction::brier};
  return std::nullopt;
}

void PredictionTable::Choose(std::vector<Column> columns) {
  columns_ = std::move(columns);
  int used = image_width_ + kGap + label_width_ + kGap + predicted_width_ + kGap;
  for (const Column& column : columns_)
    used += std::max(kNumberColumns, Width(column.header)) + kGap;
  const int left = style_.columns - used;
  const int classes = set_.class_names_size();
  if (classes < kManyClasses && classes <= left) {
    classes_ = Classes::kBars;
    classes_width_ = classes;
  } else if (left >= kLeastForNames) {
    classes_ = Classes::kNames;
    classes_width_ = std::min(left, kMostForNames);
  } else {
    classes_ = Classes::kNone;
  }
}

std::string PredictionTable::Header() const {
  const std::string gap(kGap, ' ');
  std::string line = PadLeft(kImage, image_width_) + gap + PadRight(kLabel, label_width_) + gap +
                     PadRight(kPredicted, predicted_width_) + gap;
  for (const Column& column : columns_) line += PadLeft(column.header, kNumberColumns) + gap;
  if (classes_ == Classes::kBars) {
    line += classes_width_ <= kClassesWithNumbers
                ? std::string("0123456789").substr(0, static_cast<size_t>(classes_width_))
                : std::string("CLASSES");
  } else if (classes_ == Classes::kNames) {
    line += "CLASSES";
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return Paint(line, Color::kBold, style_) + "\n";
}

std::string PredictionTable::Row(const v1::Prediction& prediction) const {
  const std::string gap(kGap, ' ');
  const auto name = [&](int32_t index, int width) {
    return PadRight(Shorten(ClassName(set_, index), kNameColumns, style_), width);
  };
  const bool is_wrong = prediction.label() != prediction.predicted();
  std::string line = PadLeft(std::to_string(prediction.image()), image_width_) + gap +
                     name(prediction.label(), label_width_) + gap +
                     Paint(name(prediction.predicted(), predicted_width_),
                           is_wrong ? Color::kRed : Color::kNone, style_) +
                     gap;
  for (const Column& column : columns_) {
    line += PadLeft(FormatMetric(static_cast<double>((prediction.*column.value)())),
                    std::max(kNumberColumns, Width(column.header))) +
            gap;
  }
  if (classes_ == Classes::kBars && prediction.probabilities_size() <= classes_width_) {
    line += ClassBars(prediction, style_);
  } else if (classes_ == Classes::kNames) {
    line += LikelyClasses(prediction, set_, classes_width_, style_);
  }
  line = WithoutTrailingSpaces(std::move(line));
  const std::string votes = VotesText(prediction, set_);
  if (votes.empty()) return line;
  const std::string margin(static_cast<size_t>(image_width_ + kGap), ' ');
  return line + margin + Shorten("votes " + votes, style_.columns - image_width_ - kGap, style_) +
         "\n";
}

}  // namespace anneal::client
