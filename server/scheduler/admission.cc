#include "server/scheduler/admission.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace anneal {
namespace {

// Rounded up: what is needed is not told too low.
std::string Mib(int64_t bytes) {
  constexpr int64_t kMib = 1 << 20;
  return absl::StrCat((bytes + kMib - 1) / kMib, " MiB");
}

}  // namespace

void Admission::Begin(const QueuedJob& job) {
  running_ += 1;
  memory_bytes_ += job.needs.memory_bytes;
  of_owner_[job.owner] += 1;
}

void Admission::End(const QueuedJob& job) {
  running_ -= 1;
  memory_bytes_ -= job.needs.memory_bytes;
  if (const auto owner = of_owner_.find(job.owner); --owner->second == 0) of_owner_.erase(owner);
}

Admission::Verdict Admission::Judge(const QueuedJob& job, int64_t monotonic_us) const {
  if (job.not_before_us > monotonic_us) return Verdict::kLater;
  if (limits_.running_per_owner > 0) {
    const auto owner = of_owner_.find(job.owner);
    if (owner != of_owner_.end() && owner->second >= limits_.running_per_owner)
      return Verdict::kOwnersTurn;
  }
  // memory_bytes_ may be more than the limit, where a job that does not fit at all runs alone.
  if (limits_.memory_bytes > 0 && running_ > 0 &&
      job.needs.memory_bytes > limits_.memory_bytes - memory_bytes_) {
    return Verdict::kMemory;
  }
  return Verdict::kBegins;
}

std::string Admission::Why(const QueuedJob& job, int64_t monotonic_us) const {
  switch (Judge(job, monotonic_us)) {
    case Verdict::kBegins:
      return "";
    case Verdict::kLater:
      return absl::StrCat("another try, in ", (job.not_before_us - monotonic_us + 999'999) / 1'000'000,
                          " s");
    case Verdict::kOwnersTurn:
      return absl::StrCat("a job of its owner to end: of one owner at most ",
                          limits_.running_per_owner, " run at a time");
    case Verdict::kMemory:
      return absl::StrCat("memory: it needs ", Mib(job.needs.memory_bytes), ", and ",
                          Mib(std::max<int64_t>(limits_.memory_bytes - memory_bytes_, 0)), " of ",
                          Mib(limits_.memory_bytes), " are free");
  }
  return "";
}

}  // namespace anneal
