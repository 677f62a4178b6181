#include "client/queue_options.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/time_options.h"
#include "server/core/status_macros.h"

namespace anneal::client {
namespace {

absl::Status NotUtf8(const std::string& where, const std::string& text) {
  return absl::InvalidArgumentError(absl::StrCat(where, ": \"", Escape(text), "\" is not UTF-8"));
}

}  // namespace

CLI::Option* AddRepeated(CLI::App& command, const std::string& name,
                         std::vector<std::string>& values, const std::string& description) {
  return command.add_option(name, values, description)
      ->expected(1)
      ->take_all()
      ->allow_extra_args(false);
}

CLI::Validator IsPriority() {
  return CLI::Validator(
      [](const std::string& given) {
        int32_t number = 0;
        return absl::SimpleAtoi(given, &number) && absl::StrCat(number) == given
                   ? std::string()
                   : "a priority is a whole number, such as 5 or -5";
      },
      "");
}

void AddQueueOptions(CLI::App& command, QueueOptions& options) {
  command.add_option("--priority", options.priority, "Higher runs first (default 0)")
      ->type_name("N")
      ->check(IsPriority());
  AddRepeated(command, "--label", options.labels,
              "Something to find the job by, such as project=thesis; KEY alone has an empty value. "
              "May be repeated")
      ->type_name("KEY=VALUE");
  command
      .add_option("--owner", options.owner,
                  "Whose job it is (default $ANNEAL_OWNER, then your login name)")
      ->type_name("NAME");
  command
      .add_option("--deadline", options.deadline,
                  "Ends it as FAILED (DEADLINE) where it has not ended by then: from now, as 90m, "
                  "2h30m or 3d, or a time, as \"2026-12-01 18:00\" or 2026-12-01T18:00:00+01:00")
      ->type_name("TIME");
  command
      .add_option("--max-time", options.max_time,
                  "Ends it likewise when it has run so long, all attempts together: 90m, 2h30m, 3d")
      ->type_name("DURATION");
}

absl::StatusOr<v1::CreateJobRequest> MakeRequest(Session& session, const QueueOptions& options) {
  v1::CreateJobRequest request;
  request.set_priority(options.priority);
  RETURN_IF_ERROR(ParseLabels("--label", options.labels, request.mutable_labels()));
  if (options.owner) {
    if (!IsUtf8(*options.owner)) return NotUtf8("--owner", *options.owner);
    request.set_owner(*options.owner);
  } else {
    ASSIGN_OR_RETURN(*request.mutable_owner(), OwnerOfUser(session));
  }
  if (options.deadline) {
    ASSIGN_OR_RETURN(const int64_t deadline_us, ParseMoment("--deadline", *options.deadline,
                                                            session.environment().clock->NowUs()));
    *request.mutable_deadline() = ToTimestamp(deadline_us);
  }
  if (options.max_time) {
    ASSIGN_OR_RETURN(const int64_t max_us, ParseDuration("--max-time", *options.max_time));
    *request.mutable_max_run_time() = ToDuration(max_us);
  }
  return request;
}

absl::StatusOr<std::string> OwnerOfUser(const Session& session) {
  const std::string chosen = session.environment().variable("ANNEAL_OWNER").value_or("");
  if (!IsUtf8(chosen)) return NotUtf8("$ANNEAL_OWNER", chosen);
  return chosen.empty() ? Escape(session.environment().user_name()) : chosen;
}

absl::Status ParseLabels(const std::string& option, const std::vector<std::string>& texts,
                         google::protobuf::Map<std::string, std::string>* labels) {
  for (const std::string& text : texts) {
    if (!IsUtf8(text)) return NotUtf8(option, text);
    const size_t equals = std::min(text.find('='), text.size());
    const std::string key = text.substr(0, equals);
    if (key.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(
          option, ": \"", Escape(text), "\" has no key; write KEY=VALUE, such as project=thesis"));
    }
    const std::string value = equals < text.size() ? text.substr(equals + 1) : "";
    const auto [label, is_new] = labels->insert({key, value});
    if (!is_new && label->second != value) {
      return absl::InvalidArgumentError(absl::StrCat(
          option, ": \"", Escape(key), "\" is given twice, as \"", Escape(label->second),
          "\" and as \"", Escape(value), "\"; a label has one value"));
    }
  }
  return absl::OkStatus();
}

}  // namespace anneal::client
