// Loss and accuracy of a network on a range of samples, in inference mode.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <stop_token>

#include "absl/status/statusor.h"
#include "server/data/dataset.h"
#include "server/engine/input_preparation.h"
#include "server/engine/network.h"

namespace anneal {

struct Evaluation {
  double loss = 0;      // mean
  double accuracy = 0;  // share of samples whose label has the largest logit
};

// Keeps its workspaces, so that the evaluation after every epoch allocates nothing but in the first. The network must
// outlive it.
class Evaluator {
 public:
  // Batches of `rows` samples; results do not depend on it but for rounding.
  Evaluator(const Network& network, int64_t rows);

  // Samples [begin, begin + count) of `split`, count >= 1. CANCELLED: `stop` was requested.
  absl::StatusOr<Evaluation> Evaluate(const DatasetSplit& split, int64_t features, int64_t begin, int64_t count,
                                      const InputPreparation& preparation, std::stop_token stop);

 private:
  Workspace& WorkspaceOf(int64_t rows);

  const Network& network_;
  const int64_t rows_;
  WorkspacePool pool_;
  std::vector<std::unique_ptr<Workspace>> workspaces_;
  std::vector<uint32_t> indices_;
};

}  // namespace anneal
