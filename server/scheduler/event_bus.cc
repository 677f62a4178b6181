#include "server/scheduler/event_bus.h"

#include <algorithm>

namespace anneal {

EventBus::Subscription::~Subscription() {
  bus_.Unsubscribe(job_, key_);
}

std::unique_ptr<EventBus::Subscription> EventBus::Subscribe(JobId job, Watcher watcher) {
  const MutexLock lock(mutex_);
  const uint64_t key = next_key_++;
  watchers_[job].emplace_back(key, std::move(watcher));
  return std::unique_ptr<Subscription>(new Subscription(*this, job, key));
}

void EventBus::Unsubscribe(JobId job, uint64_t key) {
  // What the functions hold is destroyed after the lock is given back: it may do anything.
  Watcher removed;
  const MutexLock lock(mutex_);
  const auto entry = watchers_.find(job);
  if (entry == watchers_.end()) return;
  auto& watchers = entry->second;
  const auto position = std::find_if(watchers.begin(), watchers.end(),
                                     [key](const auto& each) { return each.first == key; });
  if (position == watchers.end()) return;
  removed = std::move(position->second);
  watchers.erase(position);
  if (watchers.empty()) watchers_.erase(entry);
}

void EventBus::Publish(JobEvent event) {
  const auto shared = std::make_shared<const JobEvent>(std::move(event));
  const MutexLock lock(mutex_);
  const auto entry = watchers_.find(shared->job_id);
  if (entry == watchers_.end()) return;
  for (const auto& [key, watcher] : entry->second) {
    if (watcher.on_event) watcher.on_event(shared);
  }
}

void EventBus::PublishProgress(JobId job, ProgressSnapshot snapshot) {
  const auto shared = std::make_shared<const ProgressSnapshot>(std::move(snapshot));
  const MutexLock lock(mutex_);
  const auto entry = watchers_.find(job);
  if (entry == watchers_.end()) return;
  for (const auto& [key, watcher] : entry->second) {
    if (watcher.on_progress) watcher.on_progress(shared);
  }
}

bool EventBus::HasProgressWatchers(JobId job) const {
  const MutexLock lock(mutex_);
  const auto entry = watchers_.find(job);
  return entry != watchers_.end() &&
         std::any_of(entry->second.begin(), entry->second.end(),
                     [](const auto& each) { return each.second.on_progress != nullptr; });
}

}  // namespace anneal
