// A job as the API shows it: its row, and what stands elsewhere: progress, place in the queue, weights
// kept, images stored, trials compared.
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "anneal/v1/job.pb.h"
#include "server/core/job.h"
#include "server/scheduler/scheduler.h"
#include "storage/store.h"

namespace anneal {

// Thread-safe. Errors of the store; DATA_LOSS: a stored spec does not parse.
class JobView {
 public:
  // What it is given must outlive it.
  JobView(Store& store, const Scheduler& scheduler) : store_(store), scheduler_(scheduler) {}

  // All but the network's summary and a range test's curve, which comes with the row. `job` with its
  // spec.
  absl::StatusOr<v1::Job> Whole(const Job& job) const;

  // `jobs` as ListJobs has them: with progress alone, and of those that have ended the last epoch or
  // the images stored.
  absl::StatusOr<std::vector<v1::Job>> List(const std::vector<Job>& jobs) const;

 private:
  void AddLiveProgress(JobId id, v1::Job& proto) const;
  absl::Status AddLastEpoch(const Job& job, v1::Job& proto) const;
  absl::Status AddPrediction(JobId id, v1::Job& proto) const;
  absl::Status AddCheckpoint(JobId id, v1::Job& proto) const;

  Store& store_;
  const Scheduler& scheduler_;
};

}  // namespace anneal
