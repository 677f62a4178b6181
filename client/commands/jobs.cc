#include <algorithm>
#include <cctype>
#include <optional>

#include "absl/strings/numbers.h"
#include "anneal/v1/job_service.grpc.pb.h"
#include "client/commands/commands.h"
#include "client/job_text.h"
#include "client/jobs_table.h"
#include "client/queue_options.h"

namespace anneal::client {
namespace {

constexpr int64_t kPageSize = 1000;

struct Options {
  std::vector<std::string> states;
  std::string filter;
  std::string sweep;
  std::string model;
  std::vector<std::string> labels;
  std::optional<std::string> owner;
  bool mine = false;
  bool show_labels = false;
  int64_t limit = 50;
};

absl::StatusOr<v1::Job::State> ParseState(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  v1::Job::State state = v1::Job::STATE_UNSPECIFIED;
  if (v1::Job::State_Parse(text, &state) && state != v1::Job::STATE_UNSPECIFIED) return state;
  std::string names;
  for (int i = v1::Job::State_MIN + 1; i <= v1::Job::State_MAX; ++i) {
    names += (names.empty() ? "" : ", ") + StateName(static_cast<v1::Job::State>(i));
  }
  return absl::InvalidArgumentError("--state: there is no state \"" + Escape(text) +
                                    "\"; there are: " + names);
}

int RunJobs(Session& session, const Options& options) {
  v1::ListJobsRequest request;
  for (const std::string& text : options.states) {
    const absl::StatusOr<v1::Job::State> state = ParseState(text);
    if (!state.ok()) return session.UsageError(state.status());
    request.add_states(*state);
  }
  if (!IsUtf8(options.filter))
    return session.UsageError(absl::InvalidArgumentError("--filter: is not UTF-8"));
  request.set_name_contains(options.filter);
  request.set_sweep_id(Escape(options.sweep));
  request.set_model_job_id(Escape(options.model));

  for (const std::string& label : options.labels) {
    if (!IsUtf8(label) || label.empty() || label[0] == '=') {
      return session.UsageError(absl::InvalidArgumentError(
          "--label: \"" + Escape(label) + "\" is no label; write KEY=VALUE, or KEY for any value"));
    }
    request.add_labels(label);
  }
  if (options.owner) {
    if (!IsUtf8(*options.owner) || options.owner->empty()) {
      return session.UsageError(absl::InvalidArgumentError("--owner: \"" + Escape(*options.owner) +
                                                           "\" is no owner's name"));
    }
    request.set_owner(*options.owner);
  } else if (options.mine) {
    absl::StatusOr<std::string> owner = OwnerOfUser(session);
    if (!owner.ok()) return session.UsageError(owner.status());
    request.set_owner(*std::move(owner));
  }

  v1::ListJobsResponse jobs;
  while (options.limit == 0 || jobs.jobs_size() < options.limit) {
    const int64_t wanted = options.limit == 0 ? kPageSize : options.limit - jobs.jobs_size();
    request.set_page_size(static_cast<int32_t>(std::min(wanted, kPageSize)));
    v1::ListJobsResponse page;
    const grpc::Status status = session.Call(&v1::JobService::Stub::ListJobs, request, &page);
    if (!status.ok()) return session.Fail(status);
    for (v1::Job& job : *page.mutable_jobs()) *jobs.add_jobs() = std::move(job);
    jobs.set_next_page_token(page.next_page_token());
    request.set_page_token(page.next_page_token());
    if (page.next_page_token().empty()) break;
  }
  if (session.json()) {
    session.PrintJson(jobs);
    return kExitDone;
  }
  if (jobs.jobs().empty()) {
    session.out() << "no jobs\n";
    return kExitDone;
  }
  session.out() << JobsTable(
      jobs, session.environment().clock->NowUs(),
      {.labels = options.show_labels, .unbounded = !session.environment().out_is_terminal},
      session.style());
  if (!jobs.next_page_token().empty()) {
    session.out() << std::flush;
    session.err() << "anneal: there are more; --limit 0 shows all\n";
  }
  return kExitDone;
}

}  // namespace

void AddJobs(CLI::App& app, Action& action) {
  auto [command, options] =
      AddVerb<Options>(app, action, "jobs", "Lists jobs, newest first", RunJobs);
  command
      ->add_option("--state", options->states,
                   "Only jobs in this state; may be repeated, or several with commas")
      ->type_name("STATE")
      ->delimiter(',')
      ->expected(1)
      ->take_all()
      ->allow_extra_args(false);
  command
      ->add_option("--filter", options->filter, "Only jobs whose name contains this (case matters)")
      ->type_name("TEXT");
  command->add_option("--sweep", options->sweep, "Only the trials of this sweep")->type_name("JOB");
  command->add_option("--model", options->model, "Only the predictions by this training")
      ->type_name("JOB");
  AddRepeated(*command, "--label", options->labels,
              "Only jobs with this label; KEY alone: with any value. May be repeated: with all of "
              "them")
      ->type_name("KEY[=VALUE]");
  CLI::Option* owner = command->add_option("--owner", options->owner, "Only the jobs of this owner")
                           ->type_name("NAME");
  command
      ->add_flag("--mine", options->mine,
                 "Only your own: those of $ANNEAL_OWNER, or of your login name")
      ->excludes(owner);
  command->add_flag("--labels", options->show_labels,
                    "Shows labels however narrow the terminal is");
  command->add_option("--limit", options->limit, "At most so many (default 50; 0: all)")
      ->type_name("N")
      ->check([](const std::string& given) {
        int64_t limit = 0;
        return absl::SimpleAtoi(given, &limit) && limit >= 0 ? std::string()
                                                             : "a limit is a whole number from 0";
      });
  command->footer(
      "Examples:\n  anneal jobs --state running,queued\n  anneal jobs --filter cnn --limit 5 "
      "--output json\n  anneal jobs --sweep 7 --limit 0\n  anneal jobs --model 7\n  anneal jobs "
      "--mine "
      "--label project=thesis --label draft");
}

}  // namespace anneal::client
