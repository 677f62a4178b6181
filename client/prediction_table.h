// Predictions of images for people, a page at a time.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "anneal/v1/prediction.pb.h"
#include "client/render.h"

namespace anneal::client {

// A line an image: its number, label, predicted class (red where it is wrong), confidence, entropy,
// mutual information, `measure` where that is another one (in place of the entropy where there is
// no room for both), and the class probabilities as bars, or, where there are too many classes for
// that, the likeliest ones. Columns are as wide as the set
// asks, whatever the rows hold, so that lines can be written as they come. Lines end in '\n' and
// have no trailing spaces; bars and names are left out where style.columns have no room for them.
class PredictionTable {
 public:
  // `measure`: a name as in the proto, such as "nll"; one that is not of a measure is ignored.
  PredictionTable(const v1::PredictionSet& set, const std::string& measure, const Style& style);

  std::string Header() const;
  // Of a prediction with the probabilities of its samples, a second line says how they voted.
  std::string Row(const v1::Prediction& prediction) const;

 private:
  enum class Classes { kNone, kBars, kNames };
  struct Column {
    std::string header;
    float (v1::Prediction::*value)() const;
  };

  // Of a measure that is not always shown.
  static std::optional<Column> OtherColumn(const std::string& measure);
  // Shows these, and the classes as well as there is room.
  void Choose(std::vector<Column> columns);

  const v1::PredictionSet set_;
  const Style style_;
  std::vector<Column> columns_;
  int image_width_ = 0;
  int label_width_ = 0;
  int predicted_width_ = 0;
  int classes_width_ = 0;  // what is left for the class probabilities
  Classes classes_ = Classes::kNone;
};

}  // namespace anneal::client
