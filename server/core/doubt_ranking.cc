#include "server/core/doubt_ranking.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace anneal {
namespace {

constexpr uint32_t kSign = 0x80000000;
constexpr uint32_t kNotANumber = 0xFFFFFFFF;

// The bits of a float read as a whole number are in its order but for the sign: those of negative
// ones run backwards. 0 and -0 are the same, and so are all NaNs, which come last.
uint32_t OrderOf(float value) {
  if (std::isnan(value)) return kNotANumber;
  const auto bits = std::bit_cast<uint32_t>(value == 0 ? 0.0F : value);
  return (bits & kSign) != 0 ? ~bits : bits | kSign;
}

float ValueOf(uint32_t order) {
  return std::bit_cast<float>((order & kSign) != 0 ? order ^ kSign : ~order);
}

}  // namespace

DoubtRanking::DoubtRanking(const std::vector<float>& values, const std::vector<uint8_t>& wrong,
                           bool large_is_sure)
    : large_is_sure_(large_is_sure) {
  entries_.reserve(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    const uint64_t doubt = OrderOf(large_is_sure ? -values[i] : values[i]);
    entries_.push_back(doubt << 1 | (wrong[i] != 0 ? 1 : 0));
  }
  std::sort(entries_.begin(), entries_.end());
}

template <typename Visit>
void DoubtRanking::ForEachGroup(Visit visit) const {
  size_t wrong_before = 0;
  for (size_t begin = 0; begin < entries_.size();) {
    size_t end = begin;
    size_t wrong = 0;
    for (; end < entries_.size() && entries_[end] >> 1 == entries_[begin] >> 1; ++end) {
      wrong += entries_[end] & 1;
    }
    if (!visit(begin, wrong_before, end - begin, wrong)) return;
    wrong_before += wrong;
    begin = end;
  }
}

double DoubtRanking::Wrong(size_t count) const {
  double found = 0;
  ForEachGroup([&](size_t before, size_t wrong_before, size_t images, size_t wrong) {
    if (before + images < count) return true;
    const double taken = static_cast<double>(count - before) / static_cast<double>(images);
    found = static_cast<double>(wrong_before) + taken * static_cast<double>(wrong);
    return false;
  });
  return found;
}

float DoubtRanking::Threshold(size_t count) const {
  const float doubt = ValueOf(static_cast<uint32_t>(entries_[count - 1] >> 1));
  return large_is_sure_ ? 0.0F - doubt : doubt;
}

double DoubtRanking::MeanRisk() const {
  double sum = 0;
  ForEachGroup([&](size_t before, size_t wrong_before, size_t images, size_t wrong) {
    const double share = static_cast<double>(wrong) / static_cast<double>(images);
    for (size_t i = 1; i <= images; ++i) {
      sum += (static_cast<double>(wrong_before) + share * static_cast<double>(i)) /
             static_cast<double>(before + i);
    }
    return true;
  });
  return sum / static_cast<double>(entries_.size());
}

std::optional<double> DoubtRanking::Auroc() const {
  double wins = 0;  // of pairs of a wrong and a right one
  size_t all_wrong = 0;
  ForEachGroup([&](size_t before, size_t wrong_before, size_t images, size_t wrong) {
    const auto right_before = static_cast<double>(before - wrong_before);
    const auto right = static_cast<double>(images - wrong);
    wins += static_cast<double>(wrong) * (right_before + right / 2);
    all_wrong += wrong;
    return true;
  });
  if (all_wrong == 0 || all_wrong == entries_.size()) return std::nullopt;
  return wins / static_cast<double>(all_wrong) / static_cast<double>(entries_.size() - all_wrong);
}

}  // namespace anneal
