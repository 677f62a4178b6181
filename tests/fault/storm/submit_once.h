// `fault_client submit`: one job with a request id of the caller's choice.
#pragma once

#include <string>

#include "anneal/v1/job_service.pb.h"
#include "tests/fault/storm/job_client.h"

namespace anneal::fault {

struct SubmitOptions {
  v1::CreateJobRequest request;  // with a request_id
  int kill = 0;                  // kill -9 this process when the first answer has come; 0: nobody
  bool twice = false;            // from two threads at once
};

// Prints the id of the job. The exit code: 0 done; 1 the two answers differ; 3 refused, with the
// code's number and its message on standard error; 4 no answer.
int SubmitOnce(JobClient& client, const SubmitOptions& options);

}  // namespace anneal::fault
