// One step of a training, and all that it needs: network, loss, optimizer and what surrounds them.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "server/data/dataset.h"
#include "server/engine/gradient_clipping.h"
#include "server/engine/gradient_norms.h"
#include "server/engine/input_preparation.h"
#include "server/engine/kernels/kernels.h"
#include "server/engine/loss.h"
#include "server/engine/magnitude_pruning.h"
#include "server/engine/network.h"
#include "server/engine/optimizer.h"
#include "server/engine/weight_constraints.h"
#include "server/engine/weight_penalties.h"
#include "server/spec/validated_spec.h"

namespace anneal {

// The samples that a training uses; validation and test have a null split where there is none.
struct TrainingSamples {
  SampleRange train;
  SampleRange validation;
  SampleRange test;
};

// As the spec says. `dataset` must be the spec's; the ranges point into it.
TrainingSamples ChooseSamples(const ValidatedSpec& spec, const Dataset& dataset);

// All memory is allocated in the constructor: weights, gradients and moments in flat buffers, one
// workspace for full batches and one for the last partial batch over the same memory. Not
// thread-safe.
class TrainingStep {
 public:
  // `training`: the spec's, or that with parts left out (pruning, diagnostics). The split that
  // `samples` point into must outlive it. Fits the input preparation on them.
  TrainingStep(const ValidatedSpec& spec, v1::TrainingSpec training, const SampleRange& samples,
               std::unique_ptr<Kernels> kernels);

  // Rows of a full batch: as the spec asks, at most the number of samples.
  int64_t batch_size() const { return batch_size_; }
  // In an epoch, the last partial one included.
  int64_t batches() const { return (samples_.count + batch_size_ - 1) / batch_size_; }

  // Fills `order` with the sample indices of the split in the order that this epoch (from 1) sees
  // them: shuffled unless the spec forbids it.
  void OrderEpoch(int64_t epoch, std::vector<uint32_t>& order) const;

  // Gathers and converts a batch, runs forward, loss and backward, adds penalties, clips, makes one
  // optimizer pass, and applies pruning and constraints. indices[0 .. rows): rows is batch_size()
  // or what is left of an epoch after full batches. Returns the sums over the batch; a penalty on
  // the weights counts once a sample, so that an epoch's mean has it once. For the usual layers it
  // allocates nothing.
  LossSums Run(const uint32_t* indices, int64_t rows);

  // Steps taken.
  int64_t steps() const { return steps_; }
  // Goes on after so many: the optimizer has its own count (see Optimizer::set_step).
  void set_steps(int64_t steps) { steps_ = steps; }

  Network& network() { return *network_; }
  const Loss& loss() const { return *loss_; }
  Optimizer& optimizer() { return *optimizer_; }
  const WeightPenalties& penalties() const { return penalties_; }
  const InputPreparation& preparation() const { return preparation_; }
  MagnitudePruning& pruning() { return pruning_; }
  GradientNorms& gradient_norms() { return gradient_norms_; }

  // The k of every top-k accuracy of the spec, and for each how many samples of the steps since the
  // last ClearTopHits() had it.
  const std::vector<int64_t>& top_k() const { return top_k_; }
  const std::vector<int64_t>& top_hits() const { return top_hits_; }
  void ClearTopHits() { top_hits_.assign(top_k_.size(), 0); }
  void set_top_hits(std::vector<int64_t> top_hits) { top_hits_ = std::move(top_hits); }

 private:
  struct Batch {
    std::unique_ptr<Workspace> workspace;
    at::Tensor labels;  // int32 [rows], on the CPU
  };
  Batch MakeBatch(int64_t rows);

  const v1::TrainingSpec training_;
  const SampleRange samples_;
  const int64_t batch_size_;
  const std::unique_ptr<Network> network_;
  const std::unique_ptr<Loss> loss_;
  const std::unique_ptr<Optimizer> optimizer_;
  const GradientClipping clipping_;
  const WeightPenalties penalties_;
  WeightConstraints constraints_;
  MagnitudePruning pruning_;
  GradientNorms gradient_norms_;
  const InputPreparation preparation_;
  WorkspacePool pool_;
  Batch full_;
  Batch last_;  // without a workspace where batches divide the samples evenly
  int64_t steps_ = 0;
  const std::vector<int64_t> top_k_;
  std::vector<int64_t> top_hits_;
};

}  // namespace anneal
