#include "server/scheduler/event_bus.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace anneal {
namespace {

JobEvent Event(JobId id, int64_t sequence) {
  JobEvent event;
  event.job_id = id;
  event.sequence = sequence;
  return event;
}

struct Seen {
  std::vector<int64_t> sequences;
  std::vector<int64_t> epochs;

  EventBus::Watcher Watcher(bool progress = true) {
    EventBus::Watcher watcher;
    watcher.on_event = [this](const auto& event) { sequences.push_back(event->sequence); };
    if (progress) {
      watcher.on_progress = [this](const auto& snapshot) { epochs.push_back(snapshot->epoch); };
    }
    return watcher;
  }
};

ProgressSnapshot AtEpoch(int64_t epoch) {
  ProgressSnapshot snapshot;
  snapshot.epoch = epoch;
  return snapshot;
}

TEST(EventBusTest, EveryWatcherOfTheJobSeesItAndNoOther) {
  EventBus bus;
  Seen a, b, other;
  const auto watch_a = bus.Subscribe(1, a.Watcher());
  const auto watch_b = bus.Subscribe(1, b.Watcher());
  const auto watch_other = bus.Subscribe(2, other.Watcher());
  bus.Publish(Event(1, 1));
  bus.Publish(Event(1, 2));
  bus.Publish(Event(2, 1));
  bus.Publish(Event(3, 1));
  EXPECT_EQ(a.sequences, (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(b.sequences, (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(other.sequences, (std::vector<int64_t>{1}));
}

TEST(EventBusTest, NothingComesAfterTheSubscription) {
  EventBus bus;
  Seen a, b;
  auto watch_a = bus.Subscribe(1, a.Watcher());
  auto watch_b = bus.Subscribe(1, b.Watcher());
  bus.Publish(Event(1, 1));
  watch_a.reset();
  bus.Publish(Event(1, 2));
  watch_b.reset();
  bus.Publish(Event(1, 3));
  EXPECT_EQ(a.sequences, (std::vector<int64_t>{1}));
  EXPECT_EQ(b.sequences, (std::vector<int64_t>{1, 2}));
}

TEST(EventBusTest, WhatAWatcherHoldsMayUseTheBusWhenItIsDestroyed) {
  EventBus bus;
  Seen inner;
  auto held = std::shared_ptr<EventBus::Subscription>(bus.Subscribe(1, inner.Watcher()));
  EventBus::Watcher outer;
  outer.on_event = [held](const auto&) {};
  auto watch = bus.Subscribe(1, std::move(outer));
  held.reset();
  bus.Publish(Event(1, 1));
  watch.reset();  // ends the inner one too
  bus.Publish(Event(1, 2));
  EXPECT_EQ(inner.sequences, (std::vector<int64_t>{1}));
}

TEST(EventBusTest, ProgressGoesToThoseWhoWantIt) {
  EventBus bus;
  Seen with, without;
  EXPECT_FALSE(bus.HasProgressWatchers(1));
  const auto watch_without = bus.Subscribe(1, without.Watcher(false));
  EXPECT_FALSE(bus.HasProgressWatchers(1));
  auto watch_with = bus.Subscribe(1, with.Watcher());
  EXPECT_TRUE(bus.HasProgressWatchers(1));
  EXPECT_FALSE(bus.HasProgressWatchers(2));
  bus.PublishProgress(1, AtEpoch(4));
  bus.PublishProgress(2, AtEpoch(5));
  bus.Publish(Event(1, 1));
  EXPECT_EQ(with.epochs, (std::vector<int64_t>{4}));
  EXPECT_TRUE(without.epochs.empty());
  EXPECT_EQ(without.sequences, (std::vector<int64_t>{1}));
  watch_with.reset();
  EXPECT_FALSE(bus.HasProgressWatchers(1));
}

// Watchers come and go while others publish. Each must see an unbroken run of sequences while it is
// there; the vector it writes to is destroyed right after its subscription, so a call that comes
// too late is a use after free.
TEST(EventBusTest, SubscribingWhileOthersPublish) {
  EventBus bus;
  constexpr int kJobs = 3;
  std::atomic<bool> stop{false};
  std::vector<std::thread> publishers;
  for (JobId job = 0; job < kJobs; ++job) {
    publishers.emplace_back([&bus, &stop, job] {
      for (int64_t sequence = 1; !stop; ++sequence) {
        bus.Publish(Event(job, sequence));
        if (bus.HasProgressWatchers(job)) bus.PublishProgress(job, AtEpoch(sequence));
      }
    });
  }
  std::vector<std::thread> watchers;
  std::atomic<int64_t> events{0};
  for (int number = 0; number < 4; ++number) {
    watchers.emplace_back([&bus, &events, number] {
      for (int round = 0; round < 60; ++round) {
        auto sequences = std::make_unique<std::vector<int64_t>>();
        std::atomic<int> seen{0};
        auto* target = sequences.get();
        auto watch = bus.Subscribe((number + round) % kJobs, {[target, &seen](const auto& event) {
                                                                target->push_back(event->sequence);
                                                                seen += 1;
                                                              },
                                                              [&seen](const auto&) { seen += 1; }});
        while (seen < 3) std::this_thread::yield();
        watch.reset();
        for (size_t i = 1; i < sequences->size(); ++i) {
          EXPECT_EQ((*sequences)[i], (*sequences)[i - 1] + 1);
        }
        events += static_cast<int64_t>(sequences->size());
        sequences.reset();
      }
    });
  }
  for (std::thread& watcher : watchers) watcher.join();
  stop = true;
  for (std::thread& publisher : publishers) publisher.join();
  EXPECT_GE(events, 4 * 60);
}

}  // namespace
}  // namespace anneal
