#include "server/rpc/watch_set.h"

#include "server/rpc/status.h"
#include "server/rpc/watch_reactor.h"

namespace anneal {

bool WatchSet::Add(WatchReactor* watch) {
  MutexLock lock(mutex_);
  if (closed_) return false;
  watches_.insert(watch);
  return true;
}

void WatchSet::Remove(WatchReactor* watch) {
  MutexLock lock(mutex_);
  watches_.erase(watch);
}

void WatchSet::Close(const absl::Status& status) {
  const grpc::Status end = ToGrpcStatus(status);
  // Held throughout: a watch frees itself only after Remove.
  MutexLock lock(mutex_);
  closed_ = true;
  for (WatchReactor* watch : watches_) watch->End(end);
}

size_t WatchSet::size() const {
  MutexLock lock(mutex_);
  return watches_.size();
}

}  // namespace anneal
