#include "client/queue_text.h"

#include <algorithm>
#include <map>

#include "client/job_text.h"
#include "client/time_options.h"

namespace anneal::client {
namespace {

constexpr int64_t kSecondUs = 1'000'000;
constexpr int64_t kHourUs = 3'600 * kSecondUs;

// "label" or "label=value", in quotes where a space would make two of it.
std::string LabelText(const std::string& key, const std::string& value) {
  if (value.empty()) return Escape(key);
  const bool has_space = value.find(' ') != std::string::npos;
  return Escape(key) + "=" + (has_space ? "'" + Escape(value) + "'" : Escape(value));
}

}  // namespace

std::string RoughDuration(int64_t duration_us) {
  if (duration_us < 59'500'000) {
    return std::to_string(std::max<int64_t>(1, (duration_us + kSecondUs / 2) / kSecondUs)) + " s";
  }
  const int64_t minutes = (duration_us + 30 * kSecondUs) / (60 * kSecondUs);
  if (minutes < 60) return std::to_string(minutes) + " min";
  return FormatDuration(std::max(duration_us, kHourUs));  // which does not round up to it
}

std::string PlaceText(const v1::Job& job) {
  if (job.queue_position() <= 0) return "";
  return ", number " + std::to_string(job.queue_position()) + " in the queue";
}

bool IsDeadlineNear(const v1::Job& job, int64_t now_us) {
  if (!job.has_deadline() || IsTerminal(job.state())) return false;
  const int64_t deadline_us = TimestampUs(job.deadline());
  return deadline_us - now_us < kHourUs ||
         (job.has_estimated_start_time() && TimestampUs(job.estimated_start_time()) >= deadline_us);
}

std::string QueueStateText(const v1::Job& job, int64_t now_us) {
  std::string state = StateName(job.state());
  if (job.state() == v1::Job::QUEUED && job.queue_position() > 0)
    state += " #" + std::to_string(job.queue_position());
  if (job.stop_reason() != v1::Job::STOP_REASON_UNSPECIFIED &&
      job.stop_reason() != v1::Job::COMPLETED) {
    return state + " (" + StopReasonName(job.stop_reason()) + ")";
  }
  if (IsDeadlineNear(job, now_us)) {
    const int64_t left_us = TimestampUs(job.deadline()) - now_us;
    return state + (left_us > 0 ? ", due in " + RoughDuration(left_us) : ", due now");
  }
  if (job.state() != v1::Job::QUEUED) return state;
  if (!job.waiting_for().empty()) {
    // What follows the colon are the figures.
    return state + " (" + Escape(job.waiting_for().substr(0, job.waiting_for().find(": "))) + ")";
  }
  if (!job.has_estimated_start_time()) return state;
  const int64_t until_us = TimestampUs(job.estimated_start_time()) - now_us;
  return state + (until_us > 0 ? ", in " + RoughDuration(until_us) : ", soon");
}

std::string EstimatedStartText(const v1::Job& job, int64_t now_us) {
  const int64_t until_us = TimestampUs(job.estimated_start_time()) - now_us;
  return (until_us > 0 ? "in about " + RoughDuration(until_us) : "soon") + ", " +
         FormatTime(job.estimated_start_time());
}

std::string DeadlineText(const v1::Job& job, int64_t now_us) {
  const std::string time = FormatTime(job.deadline());
  if (IsTerminal(job.state())) return time;
  const int64_t left_us = TimestampUs(job.deadline()) - now_us;
  return time + (left_us > 0 ? ", " + RoughDuration(left_us) + " left" : ", now");
}

std::string MaxRunTimeText(const v1::Job& job, int64_t now_us) {
  const int64_t limit_us = DurationUs(job.max_run_time());
  if (IsTerminal(job.state())) return FormatDuration(limit_us);
  int64_t used_us = 0;
  for (const v1::Attempt& attempt : job.attempts()) {
    const int64_t end_us = attempt.has_end_time() ? TimestampUs(attempt.end_time()) : now_us;
    used_us += std::max<int64_t>(0, end_us - TimestampUs(attempt.start_time()));
  }
  if (used_us == 0) return FormatDuration(limit_us);
  return FormatDuration(limit_us) + ", " +
         (used_us < limit_us ? RoughDuration(limit_us - used_us) : "nothing") + " left";
}

std::string LabelsText(const v1::Job& job) {
  std::string text;
  for (const auto& [key, value] :
       std::map<std::string, std::string>(job.labels().begin(), job.labels().end())) {
    text += (text.empty() ? "" : " ") + LabelText(key, value);
  }
  return text;
}

}  // namespace anneal::client
