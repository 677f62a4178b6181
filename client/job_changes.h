// Verbs that change jobs: what cancel, pause, resume and update share.
#pragma once

#include <string>
#include <vector>

#include "anneal/v1/job_service.grpc.pb.h"
#include "client/job_text.h"
#include "client/queue_text.h"
#include "client/session.h"

namespace anneal::client {

// Asks for `change` of each job, and prints the state it is in then; one that is refused does not
// keep the others from it. The exit code of the last that failed. `method` is that of the Stub,
// whose request has an `id`.
template <typename Request>
int ChangeJobs(Session& session, const std::vector<std::string>& ids,
               grpc::Status (v1::JobService::Stub::*method)(grpc::ClientContext*, const Request&,
                                                            v1::Job*),
               const Request& change = {}) {
  int code = kExitDone;
  for (const std::string& id : ids) {
    Request request = change;
    request.set_id(Escape(id));
    v1::Job job;
    const grpc::Status status = session.Call(method, request, &job);
    if (!status.ok()) {
      code = session.Fail(status);
      if (code == kExitUnreachable) return code;
    } else if (session.json()) {
      session.PrintJson(job);
    } else {
      session.out() << "job " << Escape(job.id()) << " is "
                    << Paint(StateName(job.state()), StateColor(job.state()), session.style())
                    << PlaceText(job) << "\n";
    }
  }
  return code;
}

}  // namespace anneal::client
