#include "anneal/v1/job_service.grpc.pb.h"
#include "client/commands/commands.h"

namespace anneal::client {
namespace {

struct Options {
  std::vector<std::string> jobs;
};

int RunDelete(Session& session, const Options& options) {
  int code = kExitDone;
  for (const std::string& id : options.jobs) {
    v1::DeleteJobRequest request;
    request.set_id(Escape(id));
    google::protobuf::Empty empty;
    const grpc::Status status = session.Call(&v1::JobService::Stub::DeleteJob, request, &empty);
    if (!status.ok()) {
      code = session.Fail(status);
      if (code == kExitUnreachable) return code;
    } else if (session.json()) {
      session.PrintJson(empty);
    } else {
      session.out() << "job " << Escape(id) << " deleted\n";
    }
  }
  return code;
}

}  // namespace

void AddDelete(CLI::App& app, Action& action) {
  auto [command, options] =
      AddVerb<Options>(app, action, "delete",
                       "Removes jobs that have ended, with all that is stored of them", RunDelete);
  command->add_option("JOB", options->jobs, "Ids of jobs")->required()->type_name("");
  command->footer("Example:\n  anneal delete 7");
}

}  // namespace anneal::client
