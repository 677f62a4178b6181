// One WatchJob call: every event of a job after a sequence number, once and in order, then the end.
//
// The store is the replay buffer, the bus says what is new. A watcher is either behind (it reads
// pages of stored events and only notes the highest sequence the bus has published) or live (what
// the bus publishes goes straight into a bounded queue). It subscribes first and starts behind; it
// becomes live when a page ends at or past everything published so far. A reader too slow for the
// queue falls behind again, so a watcher's memory is bounded and nobody waits for it.
//
// At most one thread at a time holds the turn (`busy_`): it reads a page, or has a write under way,
// or has finished. The others leave a note under the lock and go. The call is finished by whoever
// finds a reason to (`end_`) while having the turn; so Finish is called once, and never beside a
// write.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>

#include <grpcpp/support/server_callback.h>

#include "absl/status/status.h"
#include "anneal/v1/job_service.pb.h"
#include "server/core/job.h"
#include "server/core/metrics.h"
#include "server/core/mutex.h"
#include "server/scheduler/event_bus.h"
#include "storage/store.h"

namespace anneal {

class WatchSet;

// Thread-safe. Owns itself: freed when gRPC is done with the call.
class WatchReactor final : public grpc::ServerWriteReactor<v1::WatchJobResponse> {
 public:
  // Begins to send; to be returned from the handler. May block for a read of the store. `store`,
  // `bus` and `watches` must outlive the call. The call ends
  //   OK            after the event of the terminal state, or at once where that is not after
  //   `after_sequence`; NOT_FOUND     no such job, or deleted meanwhile; UNAVAILABLE   `watches`
  //   was closed, or the store is busy: watch again from the last sequence number seen.
  static WatchReactor* Start(Store& store, EventBus& bus, WatchSet& watches, JobId job,
                             int64_t after_sequence, bool progress);

  // A call that ends at once with `status`, an error.
  static grpc::ServerWriteReactor<v1::WatchJobResponse>* Refuse(const absl::Status& status);

  // Ends the call with `status` as soon as no write is under way. The first End counts.
  void End(grpc::Status status);

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  enum class Step { kNothing, kRead, kWrite, kFinish };

  WatchReactor(Store& store, WatchSet& watches, JobId job, int64_t after_sequence);

  void OnEvent(const std::shared_ptr<const JobEvent>& event);
  void OnProgress(const std::shared_ptr<const ProgressSnapshot>& snapshot);

  // Takes the turn, if it is free, and does what there is to do until there is nothing or a write
  // is under way.
  void Advance();
  void GiveTurn();
  // What the holder of the turn shall do; for kWrite the message is in `event` or `progress`.
  Step NextStep(std::shared_ptr<const JobEvent>& event,
                std::shared_ptr<const ProgressSnapshot>& progress) ANNEAL_REQUIRES(mutex_);
  void ReadPage();

  Store& store_;
  WatchSet& watches_;
  const JobId job_;
  const int64_t after_sequence_;

  std::unique_ptr<EventBus::Subscription> subscription_;  // set in Start, reset in OnDone

  // Of the holder of the turn.
  v1::WatchJobResponse response_;  // being written
  bool had_ended_ = false;         // the job was found in a terminal state, everything is stored

  Mutex mutex_;
  // Somebody has the turn; Start has the first one.
  bool busy_ ANNEAL_GUARDED_BY(mutex_) = true;
  bool behind_ ANNEAL_GUARDED_BY(mutex_) = true;
  // Sequence of the newest event that was put into pending_.
  int64_t last_queued_ ANNEAL_GUARDED_BY(mutex_);
  // Highest sequence seen on the bus.
  int64_t published_ ANNEAL_GUARDED_BY(mutex_) = 0;
  // To be sent, in order, without gaps.
  std::deque<std::shared_ptr<const JobEvent>> pending_ ANNEAL_GUARDED_BY(mutex_);
  // The newest, not yet sent.
  std::shared_ptr<const ProgressSnapshot> progress_ ANNEAL_GUARDED_BY(mutex_);
  // The terminal event was handed to a write.
  bool sent_last_ ANNEAL_GUARDED_BY(mutex_) = false;
  std::optional<grpc::Status> end_ ANNEAL_GUARDED_BY(mutex_);
};

}  // namespace anneal
