// "synthetic-shapes": a data set that the daemon makes itself, so that a fresh machine can train
// something at once.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "server/data/dataset_registry.h"

namespace anneal {

inline constexpr int kSyntheticSide = 32;
inline constexpr int64_t kSyntheticTrainSamples = 10'000;
inline constexpr int64_t kSyntheticTestSamples = 2'000;

enum class SyntheticSplit : uint32_t { kTrain = 0, kTest = 1 };

struct SyntheticImage {
  std::array<uint8_t, kSyntheticSide* kSyntheticSide* 3> pixels =
      {};             // [H, W, C] = [32, 32, 3], row-major
  int32_t label = 0;  // 0..9, an index into DatasetInfo::class_names
};

// Image `index` (from 0) of `split`: a pure function of its arguments, in integers only, so the
// bytes are the same on every machine. Any index gives an image; the data set holds the first
// 10,000 of train and the first 2,000 of test.
SyntheticImage MakeSyntheticImage(SyntheticSplit split, uint64_t index);

// uint8 [32, 32, 3], ten classes of one shape each, about as many images of each. Making it takes a
// fraction of a second. Never fails. Thread-safe.
class SyntheticShapesReader final : public DatasetReader {
 public:
  explicit SyntheticShapesReader(std::string name) : name_(std::move(name)) {}

  absl::StatusOr<DatasetInfo> Describe() const override;
  absl::StatusOr<Dataset> Load() const override;

 private:
  const std::string name_;
};

}  // namespace anneal
