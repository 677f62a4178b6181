// Whether every answer about a job was possible at some moment between the call and the answer.
#pragma once

#include <string>
#include <vector>

#include "tests/fault/model/job_check.h"
#include "tests/fault/model/record.h"

namespace anneal::model {

// `changes`: all of the job, from its events; not empty. Returns what is wrong.
std::vector<std::string> CheckAnswers(const JobRecord& job, const HistoryRecord& history,
                                      const BatchRecord& batch, const std::vector<Change>& changes);

}  // namespace anneal::model
