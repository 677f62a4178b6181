#include "server/rpc/job_request.h"

#include <cstdint>
#include <optional>

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include "absl/strings/str_cat.h"
#include "server/core/job_labels.h"
#include "server/core/strings.h"
#include "server/rpc/utf8.h"

namespace anneal {
namespace {

// The ranges that protobuf gives both, from 0 on.
constexpr int64_t kLastSecond = 253'402'300'799;  // of the year 9999
constexpr int64_t kLongestSeconds = 315'576'000'000;  // 10,000 years

// Of a Timestamp or Duration; nothing where it is out of range, or 0, which would mean none.
template <typename Time>
std::optional<int64_t> Micros(const Time& time, int64_t most_seconds) {
  if (time.seconds() < 0 || time.seconds() > most_seconds || time.nanos() < 0 ||
      time.nanos() > 999'999'999) {
    return std::nullopt;
  }
  const int64_t micros = time.seconds() * 1'000'000 + time.nanos() / 1000;
  return micros > 0 ? std::optional(micros) : std::nullopt;
}

void CheckPriority(int32_t priority, std::vector<Violation>& violations) {
  if (priority >= kMinPriority && priority <= kMaxPriority) return;
  violations.push_back({"priority", absl::StrCat("must be from ", kMinPriority, " to ",
                                                 kMaxPriority, ", is ", priority)});
}

// In messages: what the client sent, short and harmless.
std::string Shown(const std::string& text) {
  constexpr size_t kShownBytes = 80;
  return absl::StrCat("\"", Shorten(ToUtf8(text), kShownBytes), "\"");
}

template <typename Map>
Labels ReadLabels(const Map& labels, const std::string& field, std::vector<Violation>& violations) {
  Labels read;
  if (static_cast<int64_t>(labels.size()) > kMaxLabels) {
    violations.push_back(
        {field, absl::StrCat("must be at most ", kMaxLabels, " labels, are ", labels.size())});
    return read;
  }
  for (const auto& [key, value] : labels) {
    if (const std::string wrong = CheckLabelKey(key); !wrong.empty())
      violations.push_back({field, absl::StrCat("the key ", Shown(key), " ", wrong)});
    if (const std::string wrong = CheckLabelValue(value); !wrong.empty()) {
      violations.push_back(
          {field, absl::StrCat("the value ", Shown(value), " of ", Shown(key), " ", wrong)});
    }
    read.emplace(key, value);
  }
  return read;
}

void CheckOwner(const std::string& owner, std::vector<Violation>& violations) {
  if (owner.size() > kMaxOwnerBytes) {
    violations.push_back({"owner", absl::StrCat("must have at most ", kMaxOwnerBytes,
                                                " bytes, has ", owner.size())});
  } else if (const std::string wrong = CheckLabelValue(owner); !wrong.empty()) {
    violations.push_back({"owner", absl::StrCat("is ", Shown(owner), "; it ", wrong)});
  }
}

int64_t ReadDeadline(const google::protobuf::Timestamp& time, std::vector<Violation>& violations) {
  if (const auto micros = Micros(time, kLastSecond); micros.has_value()) return *micros;
  violations.push_back(
      {"deadline", absl::StrCat("must be a time from 1970-01-01 to the year 9999, is ",
                                time.seconds(), " s and ", time.nanos(), " ns after 1970")});
  return 0;
}

int64_t ReadRunTime(const google::protobuf::Duration& time, std::vector<Violation>& violations) {
  if (const auto micros = Micros(time, kLongestSeconds); micros.has_value()) return *micros;
  violations.push_back(
      {"max_run_time", absl::StrCat("must be from a microsecond to 10,000 years, is ",
                                    time.seconds(), " s and ", time.nanos(), " ns")});
  return 0;
}

}  // namespace

void ReadJobRequest(const v1::CreateJobRequest& request, NewJob& job,
                    std::vector<Violation>& violations) {
  CheckPriority(request.priority(), violations);
  job.priority = request.priority();
  if (request.request_id().size() > kMaxRequestIdBytes) {
    violations.push_back({"request_id", absl::StrCat("must have at most ", kMaxRequestIdBytes,
                                                     " bytes, has ", request.request_id().size())});
  }
  job.request_id = request.request_id();
  CheckOwner(request.owner(), violations);
  job.owner = request.owner();
  job.labels = ReadLabels(request.labels(), "labels", violations);
  if (request.has_deadline())
    job.limits.deadline_us = ReadDeadline(request.deadline(), violations);
  if (request.has_max_run_time())
    job.limits.max_run_time_us = ReadRunTime(request.max_run_time(), violations);
}

JobUpdate ReadJobUpdate(const v1::UpdateJobRequest& request, std::vector<Violation>& violations) {
  JobUpdate update;
  if (request.has_priority()) {
    CheckPriority(request.priority(), violations);
    update.priority = request.priority();
    if (request.to_front()) {
      violations.push_back(
          {"to_front", "does not go together with priority: what is at the front is before all "
                       "priorities"});
    }
  }
  update.to_front = request.to_front();
  update.set_labels = ReadLabels(request.set_labels(), "set_labels", violations);
  update.remove_labels.assign(request.remove_labels().begin(), request.remove_labels().end());
  if (request.has_deadline()) update.deadline_us = ReadDeadline(request.deadline(), violations);
  if (request.no_deadline()) update.deadline_us = 0;
  if (request.has_max_run_time())
    update.max_run_time_us = ReadRunTime(request.max_run_time(), violations);
  if (request.no_max_run_time()) update.max_run_time_us = 0;
  const bool asks_for_nothing = !update.priority && !update.to_front && update.set_labels.empty() &&
                                update.remove_labels.empty() && !update.deadline_us &&
                                !update.max_run_time_us;
  if (asks_for_nothing && violations.empty())
    violations.push_back({"id", "nothing is said of what is to be changed"});
  return update;
}

void ReadListRequest(const v1::ListJobsRequest& request, JobQuery& query,
                     std::vector<Violation>& violations) {
  CheckOwner(request.owner(), violations);
  query.owner = request.owner();
  for (int i = 0; i < request.labels_size() && violations.size() < 100; ++i) {
    const std::string& label = request.labels(i);
    const size_t equals = label.find('=');
    const std::string key = label.substr(0, equals);
    if (const std::string wrong = CheckLabelKey(key); !wrong.empty()) {
      violations.push_back(
          {absl::StrCat("labels[", i, "]"), absl::StrCat("the key ", Shown(key), " ", wrong)});
      continue;
    }
    std::optional<std::string> value;
    if (equals != std::string::npos) value = label.substr(equals + 1);
    const auto [known, is_new] = query.labels.emplace(key, value);
    if (!is_new && known->second != value) {
      violations.push_back({absl::StrCat("labels[", i, "]"),
                            absl::StrCat("asks for another value of ", Shown(key),
                                         " than before; a job has one")});
    }
  }
}

}  // namespace anneal
