// What people and programs see of a job that is followed.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "client/follow.h"
#include "client/session.h"

namespace anneal::client {

// With --output json every WatchJobResponse that carries an event, one a line. Otherwise text: a
// line for each finished epoch, change of state, warning and result; on a terminal, below them, one
// live line that shows the epoch under way. Notes on a lost connection go to standard error.
// `epochs` as the job asks for; 0: not known.
std::unique_ptr<FollowSink> MakeWatchPrinter(Session& session, const std::string& id,
                                             int64_t epochs);

// Follows the job and prints; the exit code. `reached_before`: see Follow.
int FollowAndPrint(Session& session, const std::string& id, int64_t epochs, bool reached_before);

}  // namespace anneal::client
