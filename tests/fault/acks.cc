#include "tests/fault/acks.h"

#include <unistd.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "server/core/strings.h"

namespace anneal {
namespace {

std::string Describe(const std::vector<MetricValue>& metrics) {
  std::string text;
  for (const MetricValue& metric : metrics)
    absl::StrAppendFormat(&text, " %s=%a", metric.name, metric.value);
  return text;
}

}  // namespace

std::string DescribeEvent(const JobEvent& event) {
  const std::string head = absl::StrCat("at ", event.time_us, ": ");
  if (const auto* change = std::get_if<JobEvent::StateChange>(&event.what)) {
    return absl::StrCat(head, ToAbsl(JobStateName(change->state)), " ",
                        ToAbsl(StopReasonName(change->stop_reason)), " attempt ", change->attempt,
                        " '", change->message, "'");
  }
  if (const auto* epoch = std::get_if<EpochRecord>(&event.what)) {
    return absl::StrCat(head, "epoch ", epoch->epoch, " attempt ", epoch->attempt,
                        Describe(epoch->metrics));
  }
  if (const auto* result = std::get_if<TrainingResult>(&event.what)) {
    return absl::StrCat(head, "result of ", result->epochs, " epochs, ", result->weights_sha256,
                        Describe(result->metrics));
  }
  if (const auto* end = std::get_if<JobEvent::TrialEnd>(&event.what)) {
    return absl::StrCat(head, "trial ", end->trial, " ", ToAbsl(JobStateName(end->state)));
  }
  if (const auto* warning = std::get_if<JobEvent::Warning>(&event.what)) {
    return absl::StrCat(head, "warning: ", warning->text);
  }
  return head;
}

std::string ToLine(const Ack& ack) {
  return absl::StrCat(static_cast<int>(ack.kind), " ", ack.id, " ", ack.number, " ",
                      absl::CEscape(ack.text), " .");
}

std::optional<Ack> ParseAck(std::string_view line) {
  const std::vector<std::string> parts = absl::StrSplit(ToAbsl(line), absl::MaxSplits(' ', 3));
  Ack ack;
  int kind = 0;
  if (parts.size() != 4 || !absl::SimpleAtoi(parts[0], &kind) ||
      !absl::SimpleAtoi(parts[1], &ack.id) || !absl::SimpleAtoi(parts[2], &ack.number)) {
    return std::nullopt;
  }
  const std::string& escaped = parts[3];
  if (escaped.size() < 2 || escaped.substr(escaped.size() - 2) != " .") return std::nullopt;
  if (!absl::CUnescape(escaped.substr(0, escaped.size() - 2), &ack.text)) return std::nullopt;
  ack.kind = static_cast<Ack::Kind>(kind);
  return ack;
}

size_t StepsDone(const std::vector<Ack>& acks) {
  int64_t done = 0;
  for (const Ack& ack : acks) {
    if (ack.kind == Ack::Kind::kStep) done = std::max(done, ack.number + 1);
  }
  return static_cast<size_t>(done);
}

void AckLog::Add(Ack ack) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (clock_) ack.position = clock_();
  if (fd_ >= 0) {
    const std::string line = ToLine(ack) + "\n";
    // Short writes do not happen to a file of this kind; a line cut off is no promise.
    if (write(fd_, line.data(), line.size()) < 0) _exit(97);
  }
  acks_.push_back(std::move(ack));
}

std::vector<Ack> AckLog::All() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return acks_;
}

}  // namespace anneal
