#include "server/scheduler/queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <utility>
#include <vector>

namespace anneal {
namespace {

QueuedJob Make(JobId id, int32_t priority, int64_t front = 0) {
  QueuedJob job;
  job.id = id;
  job.priority = priority;
  job.front = front;
  return job;
}

std::vector<JobId> Order(const JobQueue& queue) {
  std::vector<JobId> ids;
  for (int64_t position = 1; position <= queue.size(); ++position)
    ids.push_back(queue.At(position).id);
  return ids;
}

TEST(JobQueueTest, AnEmptyQueueHasNothing) {
  JobQueue queue;
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.size(), 0);
  EXPECT_EQ(queue.Position(1), 0);
  EXPECT_FALSE(queue.Remove(1));
}

TEST(JobQueueTest, HighestPriorityThenLowestId) {
  JobQueue queue;
  const int32_t lowest = std::numeric_limits<int32_t>::min();
  const int32_t highest = std::numeric_limits<int32_t>::max();
  for (const auto& [id, priority] : std::vector<std::pair<JobId, int32_t>>{
           {5, 0}, {2, 7}, {9, 7}, {1, -3}, {4, 0}, {8, highest}, {3, lowest}}) {
    EXPECT_TRUE(queue.Push(Make(id, priority)));
  }
  const std::vector<JobId> order = {8, 2, 9, 4, 5, 1, 3};
  for (size_t i = 0; i < order.size(); ++i) {
    EXPECT_EQ(queue.Position(order[i]), static_cast<int64_t>(i) + 1);
  }
  EXPECT_EQ(queue.size(), 7);
  EXPECT_EQ(Order(queue), order);
}

TEST(JobQueueTest, WhatWasMovedToTheFrontIsBeforeAllPriorities) {
  JobQueue queue;
  queue.Push(Make(1, 1000));
  queue.Push(Make(2, -5, 1));
  queue.Push(Make(3, 0, 2));
  queue.Push(Make(4, 7, 2));
  EXPECT_EQ(Order(queue), (std::vector<JobId>{4, 3, 2, 1})) << "the last moved first";
  EXPECT_TRUE(queue.Update(Make(1, 0, 3)));
  EXPECT_TRUE(queue.Update(Make(4, 7)));
  EXPECT_EQ(Order(queue), (std::vector<JobId>{1, 3, 2, 4}));
  EXPECT_FALSE(queue.Update(Make(9, 0))) << "it does not wait";
  EXPECT_EQ(queue.size(), 4);
}

TEST(JobQueueTest, AJobWaitsOnce) {
  JobQueue queue;
  EXPECT_TRUE(queue.Push(Make(1, 5)));
  EXPECT_FALSE(queue.Push(Make(1, 9)));
  EXPECT_EQ(queue.size(), 1);
  EXPECT_EQ(queue.At(1).priority, 5);
  queue.Remove(1);
  EXPECT_TRUE(queue.Push(Make(1, 9))) << "it may come again after it was taken";
}

// A job that is to be tried again later stays so when its priority changes.
TEST(JobQueueTest, AnUpdateKeepsWhenAJobMayBegin) {
  JobQueue queue;
  QueuedJob job = Make(1, 0);
  job.not_before_us = 77;
  queue.Push(job);
  queue.Update(Make(1, 5));
  EXPECT_EQ(queue.At(1).not_before_us, 77);
  EXPECT_EQ(queue.At(1).priority, 5);
}

TEST(JobQueueTest, RemovingKeepsTheOrderOfTheRest) {
  JobQueue queue;
  for (JobId id = 1; id <= 5; ++id) queue.Push(Make(id, static_cast<int32_t>(id % 2)));
  EXPECT_TRUE(queue.Remove(3));
  EXPECT_FALSE(queue.Remove(3));
  EXPECT_EQ(queue.Position(3), 0);
  EXPECT_EQ(queue.Position(5), 2);
  EXPECT_EQ(Order(queue), (std::vector<JobId>{1, 5, 2, 4}));
}

TEST(JobQueueTest, AgreesWithSortingThroughRandomUse) {
  std::mt19937 random(1);
  JobQueue queue;
  std::vector<std::pair<int64_t, JobId>> expected;  // (-priority, id), sorted
  for (int step = 0; step < 5'000; ++step) {
    const JobId id = static_cast<JobId>(random() % 200);
    const auto known = std::find_if(expected.begin(), expected.end(),
                                    [id](const auto& entry) { return entry.second == id; });
    if (random() % 3 != 0) {
      const int32_t priority = static_cast<int32_t>(random() % 5) - 2;
      EXPECT_EQ(queue.Push(Make(id, priority)), known == expected.end());
      if (known == expected.end()) expected.emplace_back(-priority, id);
    } else if (random() % 2 == 0) {
      EXPECT_EQ(queue.Remove(id), known != expected.end());
      if (known != expected.end()) expected.erase(known);
    } else {
      const int32_t priority = static_cast<int32_t>(random() % 5) - 2;
      EXPECT_EQ(queue.Update(Make(id, priority)), known != expected.end());
      if (known != expected.end()) known->first = -priority;
    }
    std::sort(expected.begin(), expected.end());
    ASSERT_EQ(queue.size(), static_cast<int64_t>(expected.size()));
    for (size_t i = 0; i < expected.size(); ++i) {
      ASSERT_EQ(queue.Position(expected[i].second), static_cast<int64_t>(i) + 1);
    }
  }
}

}  // namespace
}  // namespace anneal
