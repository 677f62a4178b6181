#include "server/engine/evaluator.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "absl/status/status.h"

namespace anneal {

Evaluator::Evaluator(const Network& network, int64_t rows)
    : network_(network), rows_(rows), pool_(network.kernels().device()), indices_(static_cast<size_t>(rows)) {}

Workspace& Evaluator::WorkspaceOf(int64_t rows) {
  for (const auto& workspace : workspaces_) {
    if (workspace->rows() == rows) return *workspace;
  }
  workspaces_.push_back(network_.MakeWorkspace(rows, Mode::kInference, pool_));
  return *workspaces_.back();
}

absl::StatusOr<Evaluation> Evaluator::Evaluate(const DatasetSplit& split, int64_t features, int64_t begin,
                                               int64_t count, const InputPreparation& preparation,
                                               std::stop_token stop) {
  double loss = 0;
  int64_t correct = 0;
  for (int64_t done = 0; done < count; done += rows_) {
    if (stop.stop_requested()) return absl::CancelledError("stopped while evaluating");
    const int64_t rows = std::min(rows_, count - done);
    Workspace& workspace = WorkspaceOf(rows);
    std::iota(indices_.begin(), indices_.begin() + rows, static_cast<uint32_t>(begin + done));
    network_.kernels().GatherImages(split.images.data(), features, indices_.data(), rows, preparation.scale,
                                    preparation.shift, workspace.input());
    network_.Forward(workspace, StepContext{});
    const at::Tensor labels = at::from_blob(const_cast<int32_t*>(split.labels.data()) + begin + done, {rows},
                                            at::TensorOptions().dtype(at::kInt));
    const LossSums sums = network_.kernels().CrossEntropy(workspace.output(), labels);
    loss += sums.loss;
    correct += sums.correct;
  }
  const auto samples = static_cast<double>(count);
  return Evaluation{loss / samples, static_cast<double>(correct) / samples};
}

}  // namespace anneal
