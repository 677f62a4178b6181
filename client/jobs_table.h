// The table of jobs: what of them is shown, and what gives way where the terminal is narrow.
#pragma once

#include <cstdint>
#include <string>

#include "anneal/v1/job_service.pb.h"
#include "client/render.h"

namespace anneal::client {

struct JobsTableOptions {
  bool labels = false;     // show them however narrow it is
  bool unbounded = false;  // for a pipe or a file: lines as long as they get
};

// One line a job, in the order given, after a line of headers. Columns that would be empty are left
// out, and that of owners where all jobs have the same. Not longer than style.columns where that is
// possible: labels go first, then the time of creation becomes shorter, then names, then it goes,
// then states become shorter, and in the end metrics and running times go.
std::string JobsTable(const v1::ListJobsResponse& answer, int64_t now_us,
                      const JobsTableOptions& options, const Style& style);

}  // namespace anneal::client
