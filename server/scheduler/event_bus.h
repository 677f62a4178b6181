// From the one who committed an event to everyone who watches that job.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "server/core/job.h"
#include "server/core/mutex.h"

namespace anneal {

// Thread-safe. Events of one job must be published in order of their sequence, after their commit
// (JobRecorder sees to both). The events of a job's creation are not published: nobody can know the
// job before. A watcher that joins late reads what it missed from the store: subscribe first, then
// replay, then drop what it has seen by sequence number. The newest event may be published twice;
// and where a commit looked like a failure and was none, its event may be missing, which a later
// event's sequence number tells: read it from the store.
//
// Watchers are called under the bus's lock: that is what makes a Subscription's end final.
class EventBus {
 public:
  // Called by the publishing thread, one call at a time: must be quick and must neither block nor
  // throw. Must not publish, subscribe, unsubscribe or call the Scheduler. A snapshot of the
  // progress may come after the last event.
  struct Watcher {
    std::function<void(const std::shared_ptr<const JobEvent>&)> on_event;
    std::function<void(const std::shared_ptr<const ProgressSnapshot>&)>
        on_progress;  // may be empty
  };

  // Ends with the Subscription; when its destructor returns, no call is under way and none will
  // come.
  class Subscription {
   public:
    ~Subscription();
    Subscription(const Subscription&) = delete;
    Subscription& operator=(const Subscription&) = delete;

   private:
    friend class EventBus;
    Subscription(EventBus& bus, JobId job, uint64_t key) : bus_(bus), job_(job), key_(key) {}
    EventBus& bus_;
    const JobId job_;
    const uint64_t key_;
  };

  // The bus must outlive the subscription.
  std::unique_ptr<Subscription> Subscribe(JobId job, Watcher watcher);

  void Publish(JobEvent event);
  void PublishProgress(JobId job, ProgressSnapshot snapshot);

  // Whether a snapshot is worth making.
  bool HasProgressWatchers(JobId job) const;

 private:
  void Unsubscribe(JobId job, uint64_t key);

  mutable Mutex mutex_;
  uint64_t next_key_ ANNEAL_GUARDED_BY(mutex_) = 1;
  std::unordered_map<JobId, std::vector<std::pair<uint64_t, Watcher>>> watchers_
      ANNEAL_GUARDED_BY(mutex_);
};

}  // namespace anneal
