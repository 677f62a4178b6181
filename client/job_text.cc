#include "client/job_text.h"

namespace anneal::client {

bool IsTerminal(v1::Job::State state) {
  return state == v1::Job::SUCCEEDED || state == v1::Job::FAILED || state == v1::Job::CANCELLED;
}

std::string StateName(v1::Job::State state) {
  return v1::Job::State_IsValid(state) ? v1::Job::State_Name(state)
                                       : "state " + std::to_string(state);
}

std::string StopReasonName(v1::Job::StopReason reason) {
  return v1::Job::StopReason_IsValid(reason) ? v1::Job::StopReason_Name(reason)
                                             : "reason " + std::to_string(reason);
}

Color StateColor(v1::Job::State state) {
  switch (state) {
    case v1::Job::SUCCEEDED:
      return Color::kGreen;
    case v1::Job::FAILED:
      return Color::kRed;
    case v1::Job::CANCELLED:
    case v1::Job::CANCELLING:
    case v1::Job::PAUSED:
    case v1::Job::PAUSING:
      return Color::kYellow;
    case v1::Job::RUNNING:
      return Color::kCyan;
    default:
      return Color::kNone;
  }
}

std::string StateLine(const std::string& id, const v1::JobEvent::StateChange& change,
                      const Style& style) {
  std::string line = "job " + Escape(id) + " is " +
                     Paint(StateName(change.state()), StateColor(change.state()), style);
  if (change.stop_reason() != v1::Job::STOP_REASON_UNSPECIFIED) {
    line += " (" + StopReasonName(change.stop_reason()) + ")";
  } else if (change.attempt() > 1) {
    line += " (attempt " + std::to_string(change.attempt()) + ")";
  }
  if (!change.message().empty()) line += ": " + Escape(change.message());
  return line;
}

int64_t AskedEpochs(const v1::JobSpec& spec) {
  return spec.training().has_epochs() ? spec.training().epochs() : 1;
}

}  // namespace anneal::client
