// What a client was promised or shown: what must be true of the database from then on, whatever
// happens.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/core/job.h"

namespace anneal {

struct Ack {
  enum class Kind : int {
    kStep = 1,      // `number` of the scenario is done
    kJob = 2,       // job `id`, named `text`, is accepted
    kEvent = 3,     // event `number` of job `id`, described by `text`, was published or read
    kDeleting = 4,  // job `id` is about to be deleted: from now on it may be gone
    kDeleted = 5,   // it is gone
  };
  Kind kind = Kind::kStep;
  JobId id = 0;
  int64_t number = 0;
  std::string text{};
  int64_t position = 0;  // how many operations of the disk were before it (AckLog::SetClock)
};

// An event with all that is in it, so that two can be compared.
std::string DescribeEvent(const JobEvent& event);

// A line without its end, and back; nothing for a line that is none, or is cut off.
std::string ToLine(const Ack& ack);
std::optional<Ack> ParseAck(std::string_view line);

// How many steps are done.
size_t StepsDone(const std::vector<Ack>& acks);

// Thread-safe.
class AckLog {
 public:
  AckLog() = default;
  explicit AckLog(std::vector<Ack> acks) : acks_(std::move(acks)) {}

  // Called for the position of each. To be set before the first Add.
  void SetClock(std::function<int64_t()> clock) { clock_ = std::move(clock); }
  // Each line is written to this file too, when it is added.
  void CopyTo(int fd) { fd_ = fd; }

  void Add(Ack ack);
  std::vector<Ack> All() const;

 private:
  std::function<int64_t()> clock_;
  int fd_ = -1;
  mutable std::mutex mutex_;
  std::vector<Ack> acks_;
};

}  // namespace anneal
