#include <optional>
#include <set>

#include "absl/strings/str_cat.h"
#include "client/commands/commands.h"
#include "client/job_changes.h"
#include "client/queue_options.h"
#include "client/time_options.h"
#include "server/core/status_macros.h"

namespace anneal::client {
namespace {

constexpr char kNone[] = "none";

struct Options {
  std::vector<std::string> jobs;
  std::optional<int32_t> priority;
  bool front = false;
  std::vector<std::string> labels;
  std::vector<std::string> removed_labels;
  std::optional<std::string> deadline;
  std::optional<std::string> max_time;
};

absl::Status RemoveLabels(const std::vector<std::string>& keys, v1::UpdateJobRequest& change) {
  for (const std::string& key : keys) {
    if (!IsUtf8(key) || key.empty() || key.find('=') != std::string::npos) {
      return absl::InvalidArgumentError(
          absl::StrCat("--unlabel: \"", Escape(key),
                       "\" is no label's key; write the key alone, such as project"));
    }
    if (change.set_labels().contains(key)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--unlabel: \"", Escape(key), "\" is set by --label too; leave one of them out"));
    }
    change.add_remove_labels(key);
  }
  return absl::OkStatus();
}

// INVALID_ARGUMENT, naming the option: a value that cannot be understood, or nothing is asked for.
absl::StatusOr<v1::UpdateJobRequest> MakeChange(Session& session, const Options& options) {
  v1::UpdateJobRequest change;
  if (options.priority) change.set_priority(*options.priority);
  change.set_to_front(options.front);
  RETURN_IF_ERROR(ParseLabels("--label", options.labels, change.mutable_set_labels()));
  RETURN_IF_ERROR(RemoveLabels(options.removed_labels, change));
  if (options.deadline == kNone) {
    change.set_no_deadline(true);
  } else if (options.deadline) {
    ASSIGN_OR_RETURN(const int64_t deadline_us, ParseMoment("--deadline", *options.deadline,
                                                            session.environment().clock->NowUs()));
    *change.mutable_deadline() = ToTimestamp(deadline_us);
  }
  if (options.max_time == kNone) {
    change.set_no_max_run_time(true);
  } else if (options.max_time) {
    ASSIGN_OR_RETURN(const int64_t max_us, ParseDuration("--max-time", *options.max_time));
    *change.mutable_max_run_time() = ToDuration(max_us);
  }
  if (change.ByteSizeLong() == 0) {
    return absl::InvalidArgumentError(
        "update: say what is to be changed: --priority, --front, --label, --unlabel, --deadline or "
        "--max-time");
  }
  return change;
}

int RunUpdate(Session& session, const Options& options) {
  const absl::StatusOr<v1::UpdateJobRequest> change = MakeChange(session, options);
  if (!change.ok()) return session.UsageError(change.status());
  return ChangeJobs(session, options.jobs, &v1::JobService::Stub::UpdateJob, *change);
}

}  // namespace

void AddUpdate(CLI::App& app, Action& action) {
  auto [command, options] = AddVerb<Options>(
      app, action, "update",
      "Changes jobs: priority, labels, deadlines; moves them to the front of the queue", RunUpdate);
  command->add_option("JOB", options->jobs, "Ids of jobs")->required()->type_name("");
  CLI::Option* priority = command->add_option("--priority", options->priority, "Higher runs first")
                              ->type_name("N")
                              ->check(IsPriority());
  command
      ->add_flag("--front", options->front,
                 "Moves it to the front of the queue: it runs next, whatever the priorities")
      ->excludes(priority);
  AddRepeated(*command, "--label", options->labels,
              "Sets a label; KEY alone has an empty value. May be repeated")
      ->type_name("KEY=VALUE");
  AddRepeated(*command, "--unlabel", options->removed_labels, "Removes a label. May be repeated")
      ->type_name("KEY");
  command
      ->add_option("--deadline", options->deadline,
                   "When it has to have ended: from now, as 90m, 2h30m or 3d, or a time, as "
                   "\"2026-12-01 18:00\"; none takes the deadline away")
      ->type_name("TIME|none");
  command
      ->add_option("--max-time", options->max_time,
                   "How long it may run, all attempts together; none: as long as it takes")
      ->type_name("DURATION|none");
  command->footer(
      "Every job that is named gets every change, of a sweep also its trials that have not ended. "
      "A "
      "priority\n"
      "takes a job from the front again. Labels can be changed after a job has ended, too.\n"
      "Examples:\n"
      "  anneal update 7 --priority 5\n"
      "  anneal update 7 --front\n"
      "  anneal update 7 8 9 --label project=thesis --unlabel draft\n"
      "  anneal update 7 --deadline 3d --max-time none");
}

}  // namespace anneal::client
