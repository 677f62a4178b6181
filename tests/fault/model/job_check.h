// The reference model of one job, and the judgement of what was seen of it.
//
// The model is small: a job goes through states along the edges of a table, each of its changes has
// a cause (a call that may have taken effect, the work itself, or the end of a process), an epoch
// is what the chain of hashes says it is, and whoever looks sees the job as it was at one moment
// between the call and the answer, never older than what somebody has seen before. A call whose
// answer was lost has taken effect or not: the model allows both, once.
//
// The daemon's own account, the job's events, says which of the allowed things happened. It is
// believed only so far as every other witness agrees: answers, watchers, rows of epochs, files, and
// the engine's log of its work.
#pragma once

#include <string>
#include <vector>

#include "tests/fault/model/record.h"

namespace anneal::model {

// A change of state, as the job's events tell it.
struct Change {
  v1::Job::State state = v1::Job::QUEUED;
  v1::Job::StopReason stop_reason = v1::Job::STOP_REASON_UNSPECIFIED;
  int64_t attempt = 0;
  int64_t time_us = 0;
  int64_t sequence = 0;
};

// RUNNING, PAUSING, CANCELLING; SUCCEEDED, FAILED, CANCELLED.
bool IsActiveState(v1::Job::State state);
bool IsLastState(v1::Job::State state);

// `what` is wrong with it: a sentence for people.
std::string AboutJob(const JobRecord& job, const std::string& what);

std::vector<Change> ChangesOf(const std::vector<v1::JobEvent>& log);
int64_t TimeOf(const v1::JobEvent& event);

// What is wrong; nothing where all is well. `batch` is complete.
std::vector<std::string> CheckJob(const JobRecord& job, const HistoryRecord& history,
                                  const BatchRecord& batch);

}  // namespace anneal::model
