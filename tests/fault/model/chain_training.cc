#include "tests/fault/model/chain_training.h"

#include <bit>
#include <cmath>
#include <limits>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/rpc/digest.h"

namespace anneal::model {
namespace {

// [0, 1)
double Unit(uint64_t bits) { return static_cast<double>(bits >> 11) * 0x1p-53; }

int64_t Pick(uint64_t bits, int64_t low, int64_t high) {
  return low + static_cast<int64_t>(bits % static_cast<uint64_t>(high - low + 1));
}

}  // namespace

uint64_t Mix(uint64_t value) {
  value += 0x9e3779b97f4a7c15U;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9U;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebU;
  return value ^ (value >> 31);
}

ChainPlan PlanOf(uint64_t seed, int64_t epochs) {
  uint64_t stream = seed;
  const auto next = [&stream] { return stream = Mix(stream); };
  ChainPlan plan;
  plan.seed = seed;
  plan.epochs = epochs;
  plan.steps_per_epoch = Pick(next(), 1, 4);
  // Most steps take a tenth of a millisecond, some ten times that: long enough to be met in the
  // middle by a client's next call.
  plan.rounds_per_step = next() % 4 == 0 ? 600'000 : 60'000;
  if (next() % 3 == 0) plan.patience = Pick(next(), 1, 3);
  const uint64_t fate = next() % 10;
  const int64_t when = Pick(next(), 1, epochs);
  if (fate == 0) plan.diverges_in_epoch = when;
  if (fate == 1) plan.data_fails_in_epoch = when;
  return plan;
}

ChainPlan PlanOf(const v1::JobSpec& spec) {
  return PlanOf(spec.training().seed(), spec.training().epochs());
}

v1::JobSpec ChainSpec(const std::string& name, uint64_t seed, int64_t epochs) {
  v1::JobSpec spec;
  spec.set_name(name);
  v1::TrainingSpec& training = *spec.mutable_training();
  training.mutable_dataset()->set_name("synthetic-shapes");
  training.add_input()->mutable_rescale()->set_factor(1.0 / 255);
  training.mutable_network()->add_layers()->mutable_flatten();
  // Some specs are large: it takes a millisecond to judge them, also when an attempt begins, and a
  // client has time to come between.
  if (seed % 4 == 0) {
    constexpr int64_t kLayers = 500;
    v1::Repeat& repeat = *training.mutable_network()->add_layers()->mutable_repeat();
    repeat.set_count(kLayers);
    repeat.add_layers()->mutable_relu();
  }
  v1::Dense& dense = *training.mutable_network()->add_layers()->mutable_dense();
  dense.set_units(10);
  dense.set_activation(v1::Activation::SOFTMAX);
  training.mutable_loss()->mutable_sparse_categorical_crossentropy();
  training.mutable_optimizer()->mutable_sgd();
  training.set_epochs(epochs);
  training.set_seed(seed);
  return spec;
}

std::string ChainState::Serialize() const {
  return absl::StrCat(epochs, " ", steps, " ", weights, " ", dropout_counter, " ",
                      std::bit_cast<uint64_t>(best_loss), " ", best_epoch, " ", best_weights, " ",
                      wait);
}

std::optional<ChainState> ChainState::Parse(const std::string& text) {
  ChainState state;
  uint64_t best_loss_bits = 0;
  std::istringstream in(text);
  in >> state.epochs >> state.steps >> state.weights >> state.dropout_counter >> best_loss_bits >>
      state.best_epoch >> state.best_weights >> state.wait;
  if (!in) return std::nullopt;
  state.best_loss = std::bit_cast<double>(best_loss_bits);
  return state;
}

ChainState FirstState(const ChainPlan& plan) {
  ChainState state;
  state.weights = Mix(plan.seed ^ 0x77656967687473U);
  return state;
}

void TakeStep(const ChainPlan& plan, ChainState& state) {
  const uint64_t mask = Mix(plan.seed ^ Mix(state.dropout_counter));
  state.dropout_counter += 1 + (mask & 1);
  uint64_t weights = state.weights ^ mask;
  for (int64_t round = 0; round < plan.rounds_per_step; ++round) weights = Mix(weights);
  state.weights = weights;
  state.steps += 1;
}

EpochRecord EndEpoch(const ChainPlan& plan, ChainState& state) {
  state.epochs += 1;
  state.steps = 0;
  EpochRecord record;
  record.epoch = state.epochs;
  double loss = Unit(Mix(state.weights)) / static_cast<double>(state.epochs);
  if (plan.diverges_in_epoch == state.epochs) loss = std::numeric_limits<double>::infinity();
  record.metrics = {{"accuracy", Unit(Mix(state.weights ^ 1))}, {"loss", loss}};
  if (state.best_epoch == 0 || loss < state.best_loss) {
    state.best_loss = loss;
    state.best_epoch = state.epochs;
    state.best_weights = state.weights;
    state.wait = 0;
  } else {
    state.wait += 1;
  }
  return record;
}

std::optional<ChainEnd> EndOf(const ChainPlan& plan, const ChainState& state) {
  if (state.steps != 0 || state.epochs == 0) return std::nullopt;
  ChainEnd end;
  if (plan.diverges_in_epoch == state.epochs) {
    end.stop_reason = StopReason::kDiverged;
  } else if (plan.data_fails_in_epoch == state.epochs) {
    end.stop_reason = StopReason::kInvalidData;
  } else if (plan.patience > 0 && state.wait >= plan.patience) {
    end.stop_reason = StopReason::kEarlyStopped;
  } else if (state.epochs < plan.epochs) {
    return std::nullopt;
  }
  end.result.epochs = state.epochs;
  if (plan.patience > 0) end.result.best_epoch = state.best_epoch;
  const uint64_t weights = Mix(state.weights ^ Mix(state.best_weights) ^ state.dropout_counter);
  end.result.weights_sha256 = Sha256Hex(absl::StrCat(weights));
  end.result.metrics = {{"test_loss", Unit(Mix(weights))}};
  return end;
}

ChainReference ReferenceOf(const ChainPlan& plan) {
  ChainReference reference;
  ChainState state = FirstState(plan);
  for (;;) {
    for (int64_t step = 0; step < plan.steps_per_epoch; ++step) TakeStep(plan, state);
    reference.epochs.push_back(EndEpoch(plan, state));
    if (std::optional<ChainEnd> end = EndOf(plan, state)) {
      reference.end = *std::move(end);
      return reference;
    }
  }
}

std::string FinalWeightsText(const TrainingResult& result) {
  return absl::StrCat("weights ", result.weights_sha256, " after ", result.epochs, " epochs");
}

}  // namespace anneal::model
