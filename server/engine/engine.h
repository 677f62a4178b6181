// The engine as the rest of the daemon sees it: no LibTorch here.
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/core/checkpoint_info.h"
#include "server/core/clock.h"
#include "server/core/job.h"
#include "server/core/metrics.h"
#include "server/core/prediction.h"
#include "server/core/progress.h"

namespace anneal {

class DatasetRegistry;
class ValidatedPrediction;
class ValidatedSpec;

// The weights that a training ends with, ready to be written.
class FinalWeights {
 public:
  virtual ~FinalWeights() = default;

  // Writes them, with what is needed to use them, to the file `path`, which is durable when this
  // returns; as often as asked. `file` in what is returned is empty. Errors of DurableFile.
  virtual absl::StatusOr<CheckpointInfo> Write(const std::string& path) const = 0;
};

// Where a training stands between two batches: all that it takes to go on as if it had never
// stopped.
class TrainingState {
 public:
  virtual ~TrainingState() = default;

  // Writes it to the file `path`, which is durable when this returns; as often as asked. `file` in
  // what is returned is empty. Errors of DurableFile.
  virtual absl::StatusOr<TrainingStateInfo> Write(const std::string& path) const = 0;
};

// A state that an earlier attempt has written.
struct ResumePoint {
  std::string path;
  TrainingStateInfo info;
};

// Told by the training thread what it has measured.
class TrainingObserver {
 public:
  virtual ~TrainingObserver() = default;

  // An epoch has ended. Returns when it is durable; an error ends the training with
  // StopReason::kStorage.
  virtual absl::Status OnEpoch(const EpochRecord& record) = 0;

  // A good moment to keep a state: after an epoch that was not the last (`stopping` is false), and
  // when the training stops because it was asked to. `state` is valid during the call. What cannot
  // be kept costs work that is done again, and is no reason to end.
  virtual void OnState(const TrainingState& state, bool stopping) = 0;

  // The training has succeeded. Returns when the weights are durable; an error ends the training
  // with StopReason::kStorage. `weights` is valid during the call.
  virtual absl::Status OnFinalWeights(const FinalWeights& weights) = 0;

  // Something a person should know that does not end the training.
  virtual void OnWarning(const std::string& text) = 0;
};

// Told by the predicting thread what it has computed.
class PredictionObserver {
 public:
  virtual ~PredictionObserver() = default;

  // The next images. Returns when they are durable; an error ends the prediction with
  // StopReason::kStorage.
  virtual absl::Status OnChunk(const PredictionChunk& chunk) = 0;
};

// How a training or a prediction (which has no result) ended, other than by a stop request.
struct TrainingOutcome {
  StopReason stop_reason = StopReason::kCompleted;
  std::string message;  // a sentence; may be empty for kCompleted
  TrainingResult result;

  // kCompleted and kEarlyStopped.
  bool succeeded() const {
    return stop_reason == StopReason::kCompleted || stop_reason == StopReason::kEarlyStopped;
  }
};

// Thread-safe: any number of trainings and predictions at once, each on the thread that calls.
class Engine {
 public:
  virtual ~Engine() = default;

  // "cpu", then "cuda:0", ... where this LibTorch has CUDA and the machine a GPU.
  virtual std::vector<std::string> Devices() const = 0;

  // Whether a spec's `device` ("", "auto", "cpu", "cuda:N") can be had. FAILED_PRECONDITION says
  // what there is.
  virtual absl::Status CheckDevice(const std::string& device) const = 0;

  // What decides the bits of a result on `device`: CPU flags, threads, BLAS, LibTorch, device,
  // build.
  virtual std::string Fingerprint(const std::string& device) const = 0;

  // Trains, or runs the learning-rate range test that the spec asks for, on one thread (the caller's), until the end or until `stop` is
  // requested, which is looked at before every batch. CANCELLED: `stop` was requested. Every other
  // end, the bad ones too (divergence, damaged data, no memory, an exception from a kernel), is an
  // outcome. Never throws.
  //
  // A training goes on from the first of `resume` that is, bit for bit, what its info says, and
  // ends with the weights it would have had without the interruption; those that are not are told
  // in warnings, and where none is left it begins anew. Range tests always begin anew.
  virtual absl::StatusOr<TrainingOutcome> Train(const ValidatedSpec& spec,
                                                const std::vector<ResumePoint>& resume,
                                                std::stop_token stop,
                                                TrainingObserver& observer,
                                                ProgressCell& progress) = 0;

  // Predicts the images of prediction.set() after the first `stored`, which an earlier attempt has
  // done, with the weights in the file `checkpoint_path`, on the caller's thread. A file that is
  // not, bit for bit, what prediction.checkpoint() says is StopReason::kInvalidData. Otherwise as
  // Train; `stop` is looked at after every few hundred passes of an image through the network.
  virtual absl::StatusOr<TrainingOutcome> Predict(const ValidatedPrediction& prediction,
                                                  const std::string& checkpoint_path,
                                                  int64_t stored, std::stop_token stop,
                                                  PredictionObserver& observer,
                                                  ProgressCell& progress) = 0;
};

// The engine on LibTorch. `datasets` and `clock` must outlive it.
std::unique_ptr<Engine> CreateEngine(DatasetRegistry& datasets, const Clock& clock);

}  // namespace anneal
