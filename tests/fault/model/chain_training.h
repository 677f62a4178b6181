// What the model check's engine trains: a chain of hashes instead of a network. All of it is a pure
// function of the seed in the spec, so that the reference knows every number that a job may show,
// and cheap, so that a job takes milliseconds.
//
// What a step does depends on everything that came before it: the weights are a hash over all
// steps, the counter of dropout masks moves on by one or two as the mask says, and early stopping
// counts the epochs without an improvement. One of them forgotten in a pause, and the weights at
// the end are others.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "anneal/v1/job.pb.h"
#include "server/core/job.h"
#include "server/core/metrics.h"

namespace anneal::model {

// A well-mixed 64-bit function of `value` (the finalizer of SplitMix64: Steele, Lea and Flood,
// "Fast splittable pseudorandom number generators", OOPSLA 2014).
uint64_t Mix(uint64_t value);

// What the training of a spec is like.
struct ChainPlan {
  uint64_t seed = 0;
  int64_t epochs = 1;
  int64_t steps_per_epoch = 1;
  int64_t rounds_per_step = 1;      // how much a step computes: about a nanosecond each
  int64_t patience = 0;             // of early stopping; 0: none
  int64_t diverges_in_epoch = 0;    // 0: never
  int64_t data_fails_in_epoch = 0;  // ends with INVALID_DATA; 0: never
};

// The whole plan follows from seed and epochs.
ChainPlan PlanOf(uint64_t seed, int64_t epochs);
ChainPlan PlanOf(const v1::JobSpec& spec);

// A valid spec on the built-in data set, which asks for that plan.
v1::JobSpec ChainSpec(const std::string& name, uint64_t seed, int64_t epochs);

// Where a training stands between two steps.
struct ChainState {
  int64_t epochs = 0;  // finished
  int64_t steps = 0;   // of the epoch after them
  uint64_t weights = 0;
  uint64_t dropout_counter = 0;
  double best_loss = 0;
  int64_t best_epoch = 0;  // 0: none yet
  uint64_t best_weights = 0;
  int64_t wait = 0;  // epochs since the best one

  int64_t TotalSteps(const ChainPlan& plan) const { return epochs * plan.steps_per_epoch + steps; }

  std::string Serialize() const;
  static std::optional<ChainState> Parse(const std::string& text);
};

ChainState FirstState(const ChainPlan& plan);

void TakeStep(const ChainPlan& plan, ChainState& state);

// After the last step of an epoch: what it measured. The state counts it as finished.
EpochRecord EndEpoch(const ChainPlan& plan, ChainState& state);

// How a training that stands here, after an epoch, has ended; nothing where it goes on.
struct ChainEnd {
  StopReason stop_reason = StopReason::kCompleted;
  TrainingResult result;
  bool succeeded() const {
    return stop_reason == StopReason::kCompleted || stop_reason == StopReason::kEarlyStopped;
  }
};
std::optional<ChainEnd> EndOf(const ChainPlan& plan, const ChainState& state);

// What an undisturbed run of the plan is.
struct ChainReference {
  std::vector<EpochRecord> epochs;
  ChainEnd end;
};
ChainReference ReferenceOf(const ChainPlan& plan);

// What the file of the final weights contains.
std::string FinalWeightsText(const TrainingResult& result);

}  // namespace anneal::model
