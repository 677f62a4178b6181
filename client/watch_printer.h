// What people and programs see of a job that is followed.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "anneal/v1/job.pb.h"
#include "client/follow.h"
#include "client/session.h"

namespace anneal::client {

// With --output json every WatchJobResponse that carries an event, one a line. Otherwise text: a
// line for each finished epoch, change of state, warning and result; on a terminal, below them, one
// live line that shows the epoch under way, the steps of a range test, or the images of a
// prediction. Of a sweep, a line for
// each trial that has ended, with its settings and its best value. Notes on a lost connection go to
// standard error. `spec`: the job's; empty where it is not known (with --output json).
std::unique_ptr<FollowSink> MakeWatchPrinter(Session& session, const std::string& id,
                                             const v1::JobSpec& spec);

// Says of a lost connection and one that is back what people should know; prints nothing else.
std::unique_ptr<FollowSink> MakeSilentPrinter(Session& session);

// Where following did not reach the job's end: says why on standard error, and the exit code.
std::optional<int> CutShort(Session& session, const std::string& id, const FollowResult& result);

// Follows the job and prints, and at its end of a sweep how its trials compare, of a range test
// its curve and suggestions, of a prediction what to ask of it; the exit code: 0 where the job
// SUCCEEDED. `reached_before`: see Follow.
int FollowAndPrint(Session& session, const std::string& id, const v1::JobSpec& spec,
                   bool reached_before);

}  // namespace anneal::client
