// Images in the order of how sure their predictions are, and how well that order tells right
// predictions from wrong ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace anneal {

// Images of equal values are in no order: what would depend on it is its mean over all their
// orders. So nothing here depends on the order of images. Not-a-number is the greatest doubt.
// Immutable. Takes 8 bytes an image.
class DoubtRanking {
 public:
  // values[i] is the measure of image i, wrong[i] whether its prediction is wrong. `large_is_sure`:
  // as of a confidence; otherwise small values are sure, as of an entropy.
  DoubtRanking(const std::vector<float>& values, const std::vector<uint8_t>& wrong,
               bool large_is_sure);

  size_t images() const { return entries_.size(); }

  // How many of the `count` surest are wrong (a mean, so it may be no whole number),
  // 1 <= count <= images().
  double Wrong(size_t count) const;

  // The value of the most doubtful of the `count` surest, 1 <= count <= images().
  float Threshold(size_t count) const;

  // The mean of the risk Wrong(k) / k over k = 1 .. images(), which is at least 1: the area under
  // the risk-coverage curve (Geifman & El-Yaniv 2017).
  double MeanRisk() const;

  // The probability that a wrong one, drawn at random, is in more doubt than a right one, ties
  // half: the area under the ROC curve. Nothing where there are only right or only wrong ones.
  std::optional<double> Auroc() const;

 private:
  // Calls visit(images before the group, wrong ones before it, images in it, wrong ones in it) for
  // every group of equal doubt, the surest first, as long as it returns true.
  template <typename Visit>
  void ForEachGroup(Visit visit) const;

  bool large_is_sure_;
  // Sorted: doubt, as a number in the order of floats, above the lowest bit, which is 1 of a wrong
  // one.
  std::vector<uint64_t> entries_;
};

}  // namespace anneal
