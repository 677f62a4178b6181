#include "server/engine/evaluator.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/status/status.h"

namespace anneal {

Evaluator::Evaluator(const Network& network, const Loss& loss, const InputPreparation& preparation,
                     std::vector<int64_t> top_k, int64_t rows)
    : network_(network),
      loss_(loss),
      preparation_(preparation),
      top_k_(std::move(top_k)),
      rows_(rows),
      pool_(network.kernels().device()),
      indices_(static_cast<size_t>(rows)) {}

Workspace& Evaluator::WorkspaceOf(int64_t rows) {
  for (const auto& workspace : workspaces_) {
    if (workspace->rows() == rows) return *workspace;
  }
  workspaces_.push_back(network_.MakeWorkspace(rows, Mode::kInference, pool_));
  return *workspaces_.back();
}

absl::StatusOr<Evaluation> Evaluator::Evaluate(const SampleRange& range, std::stop_token stop) {
  LossSums sums;
  std::vector<int64_t> top_hits(top_k_.size());
  for (int64_t done = 0; done < range.count; done += rows_) {
    if (stop.stop_requested()) return absl::CancelledError("stopped while evaluating");
    const int64_t rows = std::min(rows_, range.count - done);
    Workspace& workspace = WorkspaceOf(rows);
    std::iota(indices_.begin(), indices_.begin() + rows, static_cast<uint32_t>(range.begin + done));
    preparation_.Prepare(network_.kernels(), *range.split, indices_.data(), workspace.input());
    network_.Forward(workspace, StepContext{});
    const at::Tensor labels =
        at::from_blob(const_cast<int32_t*>(range.split->labels.data()) + range.begin + done, {rows},
                      at::TensorOptions().dtype(at::kInt));
    const LossSums batch = loss_.Evaluate(network_.kernels(), workspace.output(), labels);
    sums.loss += batch.loss;
    sums.correct += batch.correct;
    for (size_t k = 0; k < top_k_.size(); ++k)
      top_hits[k] += CountTopK(workspace.output(), labels, top_k_[k]);
  }
  const auto samples = static_cast<double>(range.count);
  Evaluation evaluation{sums.loss / samples, static_cast<double>(sums.correct) / samples, {}};
  for (const int64_t hits : top_hits)
    evaluation.top_accuracy.push_back(static_cast<double>(hits) / samples);
  return evaluation;
}

}  // namespace anneal
