#include "anneal/v1/job_service.grpc.pb.h"
#include "client/commands/commands.h"
#include "client/job_text.h"

namespace anneal::client {
namespace {

struct Options {
  std::vector<std::string> jobs;
};

int RunCancel(Session& session, const Options& options) {
  int code = kExitDone;
  for (const std::string& id : options.jobs) {
    v1::CancelJobRequest request;
    request.set_id(Escape(id));
    v1::Job job;
    const grpc::Status status = session.Call(&v1::JobService::Stub::CancelJob, request, &job);
    if (!status.ok()) {
      code = session.Fail(status);
      if (code == kExitUnreachable) return code;
    } else if (session.json()) {
      session.PrintJson(job);
    } else {
      session.out() << "job " << Escape(job.id()) << " is "
                    << Paint(StateName(job.state()), StateColor(job.state()), session.style())
                    << "\n";
    }
  }
  return code;
}

}  // namespace

void AddCancel(CLI::App& app, Action& action) {
  auto [command, options] = AddVerb<Options>(
      app, action, "cancel", "Stops jobs: a queued one at once, a running one within one batch",
      RunCancel);
  command->add_option("JOB", options->jobs, "Ids of jobs")->required()->type_name("");
  command->footer("Example:\n  anneal cancel 7");
}

}  // namespace anneal::client
