#include "server/scheduler/admission.h"

#include <gtest/gtest.h>

namespace anneal {
namespace {

using Verdict = Admission::Verdict;

constexpr int64_t kMib = 1 << 20;

QueuedJob Make(const std::string& owner, int64_t memory_bytes) {
  QueuedJob job;
  job.id = 1;
  job.owner = owner;
  job.needs.memory_bytes = memory_bytes;
  return job;
}

TEST(AdmissionTest, WithoutLimitsEveryJobBegins) {
  Admission admission({});
  for (int i = 0; i < 100; ++i) admission.Begin(Make("ada", int64_t{1} << 60 >> 8));
  EXPECT_EQ(admission.Judge(Make("ada", int64_t{1} << 60), 0), Verdict::kBegins);
  EXPECT_EQ(admission.Why(Make("ada", 1), 0), "");
}

TEST(AdmissionTest, AnOwnerHasSoManyRunning) {
  Admission admission({.running_per_owner = 2});
  admission.Begin(Make("ada", 0));
  EXPECT_EQ(admission.Judge(Make("ada", 0), 0), Verdict::kBegins);
  admission.Begin(Make("ada", 0));
  EXPECT_EQ(admission.Judge(Make("ada", 0), 0), Verdict::kOwnersTurn);
  EXPECT_EQ(admission.Judge(Make("", 0), 0), Verdict::kBegins) << "nobody is an owner, too";
  EXPECT_EQ(admission.Why(Make("ada", 0), 0),
            "a job of its owner to end: of one owner at most 2 run at a time");
  admission.End(Make("ada", 0));
  EXPECT_EQ(admission.Judge(Make("ada", 0), 0), Verdict::kBegins);
}

TEST(AdmissionTest, MemoryIsSharedOut) {
  Admission admission({.memory_bytes = 100 * kMib});
  admission.Begin(Make("", 60 * kMib));
  EXPECT_EQ(admission.Judge(Make("", 40 * kMib), 0), Verdict::kBegins) << "exactly";
  EXPECT_EQ(admission.Judge(Make("", 40 * kMib + 1), 0), Verdict::kMemory);
  EXPECT_EQ(admission.Why(Make("", 40 * kMib + 1), 0),
            "memory: it needs 41 MiB, and 40 MiB of 100 MiB are free");
  EXPECT_EQ(admission.Judge(Make("", 0), 0), Verdict::kBegins) << "needs that are not known";
  admission.End(Make("", 60 * kMib));
  EXPECT_EQ(admission.Judge(Make("", 40 * kMib + 1), 0), Verdict::kBegins);
}

TEST(AdmissionTest, WhatDoesNotFitAtAllRunsAlone) {
  Admission admission({.memory_bytes = 100 * kMib});
  const QueuedJob giant = Make("", 500 * kMib);
  EXPECT_EQ(admission.Judge(giant, 0), Verdict::kBegins);
  admission.Begin(giant);
  EXPECT_EQ(admission.Judge(Make("", 1), 0), Verdict::kMemory);
  EXPECT_EQ(admission.Why(Make("", 1), 0), "memory: it needs 1 MiB, and 0 MiB of 100 MiB are free");
  admission.End(giant);
  admission.Begin(Make("", 1));
  EXPECT_EQ(admission.Judge(giant, 0), Verdict::kMemory);
}

TEST(AdmissionTest, ATryThatIsNotYetDue) {
  Admission admission({});
  QueuedJob job = Make("", 0);
  job.not_before_us = 2'500'000;
  EXPECT_EQ(admission.Judge(job, 0), Verdict::kLater);
  EXPECT_EQ(admission.Why(job, 0), "another try, in 3 s");
  EXPECT_EQ(admission.Judge(job, 2'500'000), Verdict::kBegins);
}

}  // namespace
}  // namespace anneal
