// The engine as the rest of the daemon sees it: no LibTorch here.
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/core/clock.h"
#include "server/core/job.h"
#include "server/core/metrics.h"
#include "server/core/progress.h"

namespace anneal {

class DatasetRegistry;
class ValidatedSpec;

// Told by the training thread what it has measured.
class TrainingObserver {
 public:
  virtual ~TrainingObserver() = default;

  // An epoch has ended. Returns when it is durable; an error ends the training with
  // StopReason::kStorage.
  virtual absl::Status OnEpoch(const EpochRecord& record) = 0;

  // Something a person should know that does not end the training.
  virtual void OnWarning(const std::string& text) = 0;
};

// How a training ended, other than by a stop request.
struct TrainingOutcome {
  StopReason stop_reason = StopReason::kCompleted;
  std::string message;  // a sentence; may be empty for kCompleted
  TrainingResult result;

  // kCompleted and kEarlyStopped.
  bool succeeded() const {
    return stop_reason == StopReason::kCompleted || stop_reason == StopReason::kEarlyStopped;
  }
};

// Thread-safe: any number of trainings at once, each on the thread that calls.
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

  // Trains, or runs the learning-rate range test that the spec asks for, from the beginning, on one
  // thread (the caller's), until the end or until `stop` is
  // requested, which is looked at before every batch. CANCELLED: `stop` was requested. Every other
  // end, the bad ones too (divergence, damaged data, no memory, an exception from a kernel), is an
  // outcome. Never throws.
  virtual absl::StatusOr<TrainingOutcome> Train(const ValidatedSpec& spec, std::stop_token stop,
                                                TrainingObserver& observer,
                                                ProgressCell& progress) = 0;
};

// The engine on LibTorch. `datasets` and `clock` must outlive it.
std::unique_ptr<Engine> CreateEngine(DatasetRegistry& datasets, const Clock& clock);

}  // namespace anneal
