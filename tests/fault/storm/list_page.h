// `fault_client page`: how long a page of the list of jobs takes.
#pragma once

#include <cstdint>

#include "tests/fault/storm/job_client.h"

namespace anneal::fault {

struct PageOptions {
  int32_t size = 50;
  int calls = 1;
};

// Asks for the first page `calls` times, and prints the number of jobs on it and how many
// microseconds the first, the median and the slowest call took: "50 810 640 1200". The exit code: 0
// done, 4 an error, which it prints.
int ListPage(JobClient& client, const PageOptions& options);

}  // namespace anneal::fault
