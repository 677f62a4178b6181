// A watcher as every client is one: subscribes, replays from the store, drops what it has seen.
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/core/job.h"
#include "server/core/strings.h"
#include "server/scheduler/event_bus.h"
#include "storage/store.h"

namespace anneal {

// "RUNNING", "SUCCEEDED COMPLETED", "epoch 3", "warning: text", "result of 3 epochs",
// "trial 3 FAILED", "kept after 2 epochs", "note: text".
inline std::string Text(const JobEvent& event) {
  if (const auto* change = std::get_if<JobEvent::StateChange>(&event.what)) {
    return change->stop_reason == StopReason::kNone
               ? std::string(JobStateName(change->state))
               : absl::StrCat(ToAbsl(JobStateName(change->state)), " ",
                              ToAbsl(StopReasonName(change->stop_reason)));
  }
  if (const auto* epoch = std::get_if<EpochRecord>(&event.what)) {
    return absl::StrCat("epoch ", epoch->epoch);
  }
  if (const auto* warning = std::get_if<JobEvent::Warning>(&event.what)) {
    return absl::StrCat("warning: ", warning->text);
  }
  if (const auto* end = std::get_if<JobEvent::TrialEnd>(&event.what)) {
    return absl::StrCat("trial ", end->trial, " ", ToAbsl(JobStateName(end->state)));
  }
  if (const auto* kept = std::get_if<JobEvent::StateKept>(&event.what)) {
    return absl::StrCat("kept after ", kept->epochs, " epochs");
  }
  if (const auto* note = std::get_if<JobEvent::Note>(&event.what)) {
    return absl::StrCat("note: ", note->text);
  }
  return absl::StrCat("result of ", std::get<TrainingResult>(event.what).epochs, " epochs");
}

// Of all but the states kept, which come when they come: TrainingStatesTest asks for these.
inline std::vector<std::string> Texts(const std::vector<JobEvent>& events) {
  std::vector<std::string> texts;
  for (const JobEvent& event : events) {
    if (!std::holds_alternative<JobEvent::StateKept>(event.what)) texts.push_back(Text(event));
  }
  return texts;
}

// Thread-safe.
class Recording {
 public:
  Recording(EventBus& bus, Store& store, JobId id) {
    subscription_ = bus.Subscribe(id, {[this](const auto& event) { OnEvent(*event); },
                                       [this](const auto& snapshot) { OnProgress(*snapshot); }});
    const absl::StatusOr<std::vector<JobEvent>> stored = store.ListEvents(id, 0, 1'000'000);
    if (!stored.ok()) {
      ADD_FAILURE() << stored.status();
      return;
    }
    const std::lock_guard<std::mutex> lock(mutex_);
    std::vector<JobEvent> early = std::exchange(events_, *stored);
    replayed_ = true;
    for (JobEvent& event : early) Accept(std::move(event));
  }

  // Blocks until `wanted` is among the texts of the events.
  void Await(const std::string& wanted) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] {
      for (const JobEvent& event : events_) {
        if (Text(event) == wanted) return true;
      }
      return false;
    });
  }

  // Blocks until the job has ended.
  void AwaitLast() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return !events_.empty() && IsLast(events_.back()); });
  }

  // Blocks until a snapshot of the progress fulfils `wanted`.
  void AwaitProgress(const std::function<bool(const ProgressSnapshot&)>& wanted) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return snapshots_ > 0 && wanted(last_snapshot_); });
  }

  std::vector<std::string> Texts() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return anneal::Texts(events_);
  }

  // Whether what the bus delivered was in order and without gaps (the newest may come twice), and
  // together with the replay is everything.
  void ExpectWhole() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (size_t i = 1; i < live_.size(); ++i) {
      EXPECT_TRUE(live_[i] == live_[i - 1] + 1 || live_[i] == live_[i - 1])
          << "sequence " << live_[i] << " after " << live_[i - 1] << " on the bus";
    }
    for (size_t i = 0; i < events_.size(); ++i) {
      EXPECT_EQ(events_[i].sequence, static_cast<int64_t>(i) + 1);
    }
  }

 private:
  void OnEvent(const JobEvent& event) {
    const std::lock_guard<std::mutex> lock(mutex_);
    live_.push_back(event.sequence);
    Accept(event);
    changed_.notify_all();
  }

  void OnProgress(const ProgressSnapshot& snapshot) {
    const std::lock_guard<std::mutex> lock(mutex_);
    snapshots_ += 1;
    last_snapshot_ = snapshot;
    changed_.notify_all();
  }

  void Accept(JobEvent event) {
    if (replayed_ && !events_.empty() && event.sequence <= events_.back().sequence) return;
    events_.push_back(std::move(event));
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool replayed_ = false;
  std::vector<JobEvent> events_;
  std::vector<int64_t> live_;  // sequences as the bus delivered them
  int64_t snapshots_ = 0;
  ProgressSnapshot last_snapshot_;
  std::unique_ptr<EventBus::Subscription> subscription_;  // ends first
};

}  // namespace anneal
