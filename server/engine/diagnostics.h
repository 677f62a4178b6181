// Metrics about the training itself: what a spec's `diagnostics` ask for, besides gradient norms
// (gradient_norms.h), which are collected in the step.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/core/metrics.h"
#include "server/engine/input_preparation.h"
#include "server/engine/layer_ranges.h"
#include "server/engine/network.h"
#include "server/spec/validated_spec.h"

namespace anneal {

// Measures after an epoch. Not thread-safe. Names and meanings: v1::Diagnostics.
class Diagnostics {
 public:
  // What it is given must outlive it. Activations are measured on the first of `samples`.
  Diagnostics(const ValidatedSpec& spec, const Network& network,
              const InputPreparation& preparation, const SampleRange& samples);

  // Appends activations, weight norms, distinct units and sparsity of the network as it is, where
  // the spec asks for them. Nothing is computed or allocated for what it does not ask for.
  // CANCELLED where `stop` was requested, which is looked at before every batch.
  absl::Status Measure(const std::stop_token& stop, std::vector<MetricValue>& metrics);

  // Appends "sparsity" and "LAYER/sparsity", whether asked for or not.
  void MeasureSparsity(std::vector<MetricValue>& metrics) const;

 private:
  absl::Status MeasureActivations(const std::stop_token& stop, std::vector<MetricValue>& metrics);
  void MeasureWeightNorms(std::vector<MetricValue>& metrics) const;
  void CountDistinctUnits(std::vector<MetricValue>& metrics) const;

  const v1::Diagnostics& asked_;
  const bool pruned_;
  const ValidatedSpec& spec_;
  const Network& network_;
  const InputPreparation& preparation_;
  SampleRange samples_;
  WorkspacePool pool_;
  std::vector<LayerRanges> layers_;
};

}  // namespace anneal
