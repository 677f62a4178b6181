// Monte Carlo Dropout (Gal & Ghahramani 2016): class probabilities of images, with dropout of every
// kind active and all else in inference mode, BatchNormalization above all.
//
// The layers before the first active dropout give the same for every sample: they run once for each
// image, the rest once for each (image, sample). Many samples, also of different images, go through
// the rest in one block.
//
// A mask is a pure function of (seed, sample, image, layer), and every block has the same number of
// rows, kRows or fewer where activations are large, filled up where images or samples end: matrix
// products choose their order of summation by their size. So an answer does not depend on which
// other images are asked for, in which order, nor on whether the first layers were kept: it is
// bit for bit that of passes through the whole network (a test compares them).
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "server/core/prediction.h"
#include "server/data/dataset.h"
#include "server/engine/input_preparation.h"
#include "server/engine/network.h"
#include "server/spec/validated_prediction.h"

namespace anneal {

// The network's output [N, outputs] as class probabilities [N, classes]; `kind` is not kNone.
// `probabilities` is on the network's device.
void ToProbabilities(Kernels& kernels, OutputKind kind, const at::Tensor& output,
                     at::Tensor& probabilities);

// All memory is allocated in the constructor. Not thread-safe.
class MonteCarloDropout {
 public:
  static constexpr int64_t kRows = 128;
  // No block has fewer, however large activations are: as many floats as LibTorch's vector loops
  // take at once (AVX-512), since what is left at a tensor's end is computed by other instructions,
  // which give other bits.
  static constexpr int64_t kFewestRows = 32;
  // Of one block's activations of one layer, where kFewestRows allow it. At most six of them are
  // there at a time, and the masks.
  static constexpr int64_t kBlockBytes = int64_t{64} << 20;

  // What it is given must outlive it.
  MonteCarloDropout(const Network& network, const InputPreparation& preparation, OutputKind kind,
                    const PredictionSet& set);

  // Rows of every block of a network whose largest activation has so many numbers: a function of
  // the network alone, so that answers depend on nothing else.
  static int64_t RowsFor(int64_t largest_activation);

  // Rows of every block.
  int64_t rows() const { return rows_; }

  // Called before every block with the number of images of the chunk that are done; false ends it.
  using Continue = std::function<bool(int64_t images_done)>;

  // Fills `chunk` (see MakePredictionChunk) with what is predicted of its images, which are of
  // `split`. CANCELLED: `go_on` returned false. OUT_OF_RANGE: the network gives no numbers for an
  // image; the message names it.
  absl::Status Predict(const DatasetSplit& split, const Continue& go_on, PredictionChunk& chunk);

 private:
  absl::Status PredictGroup(const DatasetSplit& split, int64_t first, int64_t count,
                            const Continue& go_on, PredictionChunk& chunk);
  absl::Status SampleRun(int64_t first_image, int64_t first_row, int64_t images,
                         const std::function<bool()>& go_on);
  int64_t TakeProbabilities(const at::Tensor& output, int64_t count, float* probabilities);

  const Network& network_;
  const InputPreparation& preparation_;
  const OutputKind kind_;
  const int64_t samples_;
  const int64_t classes_;
  const uint64_t seed_;
  const bool consistent_masks_;
  const int64_t rows_;
  const int64_t images_per_run_;  // whose samples are computed together

  WorkspacePool before_pool_;
  WorkspacePool rest_pool_;  // only one of the two that use it is in use at a time
  std::unique_ptr<Workspace> before_;         // up to the first active dropout
  std::unique_ptr<Workspace> deterministic_;  // the rest, without dropout
  std::unique_ptr<Workspace> sampled_rest_;   // the rest, with it; null without samples
  at::Tensor probabilities_;                  // [rows, classes]
  std::vector<uint32_t> indices_;             // of images, in the split
  std::vector<int64_t> sources_;              // row of before_'s output for each row of a block
  std::vector<MonteCarloRow> masks_;
  std::vector<float> deterministic_probabilities_;  // [rows, classes]
  std::vector<float> sample_probabilities_;         // [images_per_run, samples, classes]
};

}  // namespace anneal
