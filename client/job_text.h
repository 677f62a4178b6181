// The words and colours for what a job is.
#pragma once

#include <string>

#include "anneal/v1/job.pb.h"
#include "client/render.h"

namespace anneal::client {

bool IsTerminal(v1::Job::State state);

// "RUNNING", "EARLY_STOPPED"; the number where a newer daemon sent one that this client does not
// know.
std::string StateName(v1::Job::State state);
std::string StopReasonName(v1::Job::StopReason reason);

Color StateColor(v1::Job::State state);

// "job 7 is FAILED (DIVERGED): loss is NaN", the state painted.
std::string StateLine(const std::string& id, const v1::JobEvent::StateChange& change,
                      const Style& style);

// How many epochs `spec` asks for: as written, or the default.
int64_t AskedEpochs(const v1::JobSpec& spec);

}  // namespace anneal::client
