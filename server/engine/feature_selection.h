// Which inputs say most about the label: scores of features, and the choice of the best.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "anneal/v1/training.pb.h"

namespace anneal {

// The samples that features are judged by. `each` calls its argument once for every sample, in an
// order that does not change, with the sample's label (0 .. classes) and its `features` values,
// which are valid during the call. It may be run through several times.
struct LabelledRows {
  int64_t samples = 0;
  int64_t features = 0;
  int64_t classes = 0;
  std::function<void(const std::function<void(int32_t label, const float* values)>&)> each;
};

// One score a feature, larger for better. All sums are in double.
//
//   VARIANCE            mean (x - mean x)^2
//   MUTUAL_INFORMATION  sum p(b, y) ln(p(b, y) / (p(b) p(y))), p the shares of samples, b the
//                       bin of 256 of equal width from the feature's smallest value to its largest
//                       (Cover & Thomas 2006, equation 2.28)
//   F_SCORE             (between / (classes - 1)) / (within / (samples - classes)), the sums over
//                       samples of the squared distances class mean to mean of all, and sample to
//                       class mean, classes counted that have samples (Fisher 1925); 0 where a
//                       feature never changes, infinite where it changes between classes alone
// A feature with values that are not finite has a score of no use, which may be NaN.
std::vector<double> ScoreFeatures(v1::SelectFeatures::Score score, const LabelledRows& rows);

// The indices, ascending, of the k largest scores; the lower index of equals; NaN is the smallest.
std::vector<int64_t> LargestScores(const std::vector<double>& scores, int64_t k);

}  // namespace anneal
