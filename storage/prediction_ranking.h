// The best few of a million images, in the order of a list, without sorting the rest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "storage/column_reader.h"
#include "storage/store.h"

namespace anneal {

// Collects what comes first after the cursor. Time per image does not depend on how many are kept;
// memory is for twice as many as are kept. Not thread-safe.
class PredictionRanking {
 public:
  struct Entry {
    int32_t key = 0;
    int64_t image = 0;
    PredictionChunkPlace chunk;  // that it is in
  };

  // `keep`: how many, at least 1.
  PredictionRanking(const PredictionOrder& order, const std::optional<PredictionCursor>& after,
                    size_t keep);

  // Offers those images of the chunk for which `matches` is 1. `values`, of each image, are what
  // the order is by: facts, measures, or nothing where it is by image.
  void Offer(const PredictionChunkPlace& chunk, const int32_t* values,
             const std::vector<uint8_t>& matches);
  void Offer(const PredictionChunkPlace& chunk, const float* values,
             const std::vector<uint8_t>& matches);
  void Offer(const PredictionChunkPlace& chunk, const std::vector<uint8_t>& matches);

  // The best, in order. Ends the collection.
  std::vector<Entry> Take();

 private:
  bool IsBefore(int32_t key_a, int64_t image_a, int32_t key_b, int64_t image_b) const;
  void OfferKeys(const PredictionChunkPlace& chunk, const std::vector<uint8_t>& matches);
  // Forgets all but the `keep_` best.
  void Shrink();

  const bool by_image_;
  const bool descending_;
  const size_t keep_;

  // Whole numbers in the order that is wanted, whatever it is by: what is compared a million times
  // is one of these.
  std::vector<int32_t> keys_;
  std::vector<uint8_t> candidates_;

  bool has_cursor_ = false;
  int32_t cursor_key_ = 0;
  int64_t cursor_image_ = 0;

  std::vector<Entry> entries_;
  // Nothing after this one can be among the best; set when that many are known.
  bool has_worst_ = false;
  Entry worst_;
};

}  // namespace anneal
