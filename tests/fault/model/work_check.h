// Whether what the engine did, and the files that it left, agree with what the store says of a job.
#pragma once

#include <string>
#include <vector>

#include "tests/fault/model/job_check.h"
#include "tests/fault/model/record.h"

namespace anneal::model {

// Work only while the job was active; the file of its final weights as an undisturbed run's; no
// files of what was deleted. `changes`: all of the job, from its events. Returns what is wrong.
std::vector<std::string> CheckWorkOf(const JobRecord& job, const HistoryRecord& history,
                                     const BatchRecord& batch, const std::vector<Change>& changes);

// One training at a time, each from the newest state that was kept. Needs no events of the job.
std::vector<std::string> CheckRunsOf(const JobRecord& job, const BatchRecord& batch);

}  // namespace anneal::model
