#include "anneal/v1/job_service.grpc.pb.h"
#include "client/commands/commands.h"
#include "client/watch_printer.h"

namespace anneal::client {
namespace {

struct Options {
  std::string job;
};

int RunWatch(Session& session, const Options& options) {
  const std::string id = Escape(options.job);
  if (session.json()) return FollowAndPrint(session, id, {}, /*reached_before=*/false);
  v1::GetJobRequest request;
  request.set_id(id);
  v1::Job job;
  const grpc::Status status = session.Call(&v1::JobService::Stub::GetJob, request, &job);
  if (!status.ok()) return session.Fail(status);
  return FollowAndPrint(session, id, job.spec(), /*reached_before=*/true);
}

}  // namespace

void AddWatch(CLI::App& app, Action& action) {
  auto [command, options] = AddVerb<Options>(
      app, action, "watch", "Follows a job from its beginning to its end", RunWatch);
  command->add_option("JOB", options->job, "The job's id")->required()->type_name("");
  command->footer(
      "Of a sweep it shows each trial that ends, and at the end the ranking. A paused job is "
      "waited "
      "for. The exit code\ntells how the job ended: 0 SUCCEEDED, 1 FAILED or CANCELLED. Survives a "
      "restart of the daemon.\n"
      "Example:\n  anneal watch 7");
}

}  // namespace anneal::client
