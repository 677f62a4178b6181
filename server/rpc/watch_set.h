// The watch calls under way, so that the daemon can end them.
#pragma once

#include <unordered_set>

#include "absl/status/status.h"
#include "server/core/mutex.h"

namespace anneal {

class WatchReactor;

// Thread-safe.
class WatchSet {
 public:
  // False once closed: the call shall end itself.
  bool Add(WatchReactor* watch);

  // When it returns, nobody here knows `watch`. No effect where it was not added.
  void Remove(WatchReactor* watch);

  // Ends all calls with `status` and takes no more. Does not wait for them.
  void Close(const absl::Status& status);

  size_t size() const;

 private:
  mutable Mutex mutex_;
  bool closed_ ANNEAL_GUARDED_BY(mutex_) = false;
  std::unordered_set<WatchReactor*> watches_ ANNEAL_GUARDED_BY(mutex_);
};

}  // namespace anneal
