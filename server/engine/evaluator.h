// Loss and accuracy of a network on a range of samples, in inference mode.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <stop_token>
#include <vector>

#include "absl/status/statusor.h"
#include "server/data/dataset.h"
#include "server/engine/input_preparation.h"
#include "server/engine/loss.h"
#include "server/engine/network.h"

namespace anneal {

struct Evaluation {
  double loss = 0;                   // mean
  double accuracy = 0;               // share of samples whose label is hit (see Loss)
  std::vector<double> top_accuracy;  // for each k asked for
};

// Keeps its workspaces, so that the evaluation after every epoch allocates nothing but in the
// first. What it is given must outlive it.
class Evaluator {
 public:
  // Batches of `rows` samples; results do not depend on it but for rounding.
  Evaluator(const Network& network, const Loss& loss, const InputPreparation& preparation,
            std::vector<int64_t> top_k, int64_t rows);

  // CANCELLED: `stop` was requested.
  absl::StatusOr<Evaluation> Evaluate(const SampleRange& range, std::stop_token stop);

 private:
  Workspace& WorkspaceOf(int64_t rows);

  const Network& network_;
  const Loss& loss_;
  const InputPreparation& preparation_;
  const std::vector<int64_t> top_k_;
  const int64_t rows_;
  WorkspacePool pool_;
  std::vector<std::unique_ptr<Workspace>> workspaces_;
  std::vector<uint32_t> indices_;
};

}  // namespace anneal
