#include "storage/prediction_ranking.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace anneal {
namespace {

constexpr int32_t kLowest = std::numeric_limits<int32_t>::min();
constexpr int32_t kHighest = std::numeric_limits<int32_t>::max();

// ~x turns the order around, for every x.
int32_t FactKey(int32_t value, bool descending) { return descending ? ~value : value; }

// IEEE 754 numbers of one sign are ordered as their bits are; those of negative ones, but for the
// sign, the other way round. NaN is the highest either way, which no number is.
int32_t MeasureKey(float value, bool descending) {
  const auto bits = std::bit_cast<int32_t>(value + 0.0F);  // -0 becomes 0, which it equals
  const int32_t ascending = bits ^ ((bits >> 31) & kHighest);
  const int32_t key = descending ? ~ascending : ascending;
  return value != value ? kHighest : key;
}

int32_t CursorKey(const PredictionOrder& order, double value) {
  switch (order.by) {
    case PredictionOrder::By::kFact:
      // NaN, which no fact is, comes to the end as well.
      return FactKey(std::isnan(value) ? (order.descending ? kLowest : kHighest)
                                       : static_cast<int32_t>(
                                             std::clamp(value, double{kLowest}, double{kHighest})),
                     order.descending);
    case PredictionOrder::By::kMeasure:
      return MeasureKey(static_cast<float>(value), order.descending);
    case PredictionOrder::By::kImage:
      break;
  }
  return 0;
}

}  // namespace

PredictionRanking::PredictionRanking(const PredictionOrder& order,
                                     const std::optional<PredictionCursor>& after, size_t keep)
    : by_image_(order.by == PredictionOrder::By::kImage),
      descending_(order.descending),
      keep_(std::max<size_t>(keep, 1)) {
  if (!after) return;
  has_cursor_ = true;
  cursor_key_ = CursorKey(order, after->value);
  cursor_image_ = after->image;
}

void PredictionRanking::Offer(const PredictionChunkPlace& chunk, const int32_t* values,
                              const std::vector<uint8_t>& matches) {
  keys_.resize(matches.size());
  for (size_t i = 0; i < keys_.size(); ++i) keys_[i] = FactKey(values[i], descending_);
  OfferKeys(chunk, matches);
}

void PredictionRanking::Offer(const PredictionChunkPlace& chunk, const float* values,
                              const std::vector<uint8_t>& matches) {
  keys_.resize(matches.size());
  for (size_t i = 0; i < keys_.size(); ++i) keys_[i] = MeasureKey(values[i], descending_);
  OfferKeys(chunk, matches);
}

void PredictionRanking::Offer(const PredictionChunkPlace& chunk,
                              const std::vector<uint8_t>& matches) {
  keys_.assign(matches.size(), 0);
  OfferKeys(chunk, matches);
}

bool PredictionRanking::IsBefore(int32_t key_a, int64_t image_a, int32_t key_b,
                                 int64_t image_b) const {
  if (key_a != key_b) return key_a < key_b;
  return by_image_ && descending_ ? image_a > image_b : image_a < image_b;
}

void PredictionRanking::OfferKeys(const PredictionChunkPlace& chunk,
                                  const std::vector<uint8_t>& matches) {
  // Few are left after this, which has no branches.
  const int32_t first = has_cursor_ ? cursor_key_ : kLowest;
  const int32_t last = has_worst_ ? worst_.key : kHighest;
  candidates_.resize(matches.size());
  for (size_t i = 0; i < matches.size(); ++i) {
    candidates_[i] = static_cast<uint8_t>(matches[i] & static_cast<uint8_t>(keys_[i] >= first) &
                                          static_cast<uint8_t>(keys_[i] <= last));
  }
  const uint8_t* const begin = candidates_.data();
  const uint8_t* const end = begin + candidates_.size();
  for (const uint8_t* at = begin; at != end; ++at) {
    at = static_cast<const uint8_t*>(std::memchr(at, 1, static_cast<size_t>(end - at)));
    if (at == nullptr) return;
    const auto i = static_cast<size_t>(at - begin);
    const int64_t image = chunk.begin + static_cast<int64_t>(i);
    if (has_cursor_ && !IsBefore(cursor_key_, cursor_image_, keys_[i], image)) continue;
    if (has_worst_ && !IsBefore(keys_[i], image, worst_.key, worst_.image)) continue;
    entries_.push_back({keys_[i], image, chunk});
    if (entries_.size() >= 2 * keep_) Shrink();
  }
}

void PredictionRanking::Shrink() {
  if (entries_.size() < keep_) return;
  const auto last = entries_.begin() + static_cast<std::ptrdiff_t>(keep_ - 1);
  std::nth_element(entries_.begin(), last, entries_.end(), [this](const Entry& a, const Entry& b) {
    return IsBefore(a.key, a.image, b.key, b.image);
  });
  worst_ = *last;
  has_worst_ = true;
  entries_.resize(keep_);
}

std::vector<PredictionRanking::Entry> PredictionRanking::Take() {
  Shrink();
  std::sort(entries_.begin(), entries_.end(), [this](const Entry& a, const Entry& b) {
    return IsBefore(a.key, a.image, b.key, b.image);
  });
  return std::move(entries_);
}

}  // namespace anneal
