#include "client/queue_text.h"

#include <cstdlib>

#include "gtest/gtest.h"
#include "tests/client/parse.h"

namespace anneal::client {
namespace {

constexpr int64_t kNowUs = 1'700'000'000'000'000;  // 2023-11-14 22:13:20 UTC

class QueueTextTest : public testing::Test {
 protected:
  QueueTextTest() {
    setenv("TZ", "UTC", 1);
    tzset();
  }
};

TEST_F(QueueTextTest, RoughDurations) {
  EXPECT_EQ(RoughDuration(-5), "1 s");
  EXPECT_EQ(RoughDuration(1), "1 s");
  EXPECT_EQ(RoughDuration(1'500'000), "2 s");
  EXPECT_EQ(RoughDuration(59'499'999), "59 s");
  EXPECT_EQ(RoughDuration(59'500'000), "1 min");
  EXPECT_EQ(RoughDuration(89'000'000), "1 min");
  EXPECT_EQ(RoughDuration(720'000'000), "12 min");
  EXPECT_EQ(RoughDuration(3'569'000'000), "59 min");
  EXPECT_EQ(RoughDuration(3'600'000'000), "1h 00m");
  EXPECT_EQ(RoughDuration(7'500'000'000), "2h 05m");
  EXPECT_EQ(RoughDuration(273'600'000'000), "3d 04h");
}

TEST_F(QueueTextTest, RoughDurationsRoundUpToAnHour) {
  EXPECT_EQ(RoughDuration(3'569'999'999), "59 min");
  EXPECT_EQ(RoughDuration(3'570'000'000), "1h 00m");
  EXPECT_EQ(RoughDuration(3'599'999'999), "1h 00m");
}

std::string State(const std::string& job) { return QueueStateText(Parse<v1::Job>(job), kNowUs); }

TEST_F(QueueTextTest, States) {
  EXPECT_EQ(State("state: QUEUED"), "QUEUED");
  EXPECT_EQ(State("state: QUEUED queue_position: 3"), "QUEUED #3");
  EXPECT_EQ(State("state: QUEUED queue_position: 3 estimated_start_time { seconds: 1700000720 }"),
            "QUEUED #3, in 12 min");
  EXPECT_EQ(State("state: QUEUED queue_position: 1 estimated_start_time { seconds: 1700000000 }"),
            "QUEUED #1, soon");
  EXPECT_EQ(State("state: QUEUED queue_position: 3 waiting_for: 'memory\\n: it needs 2 MiB' "
                  "estimated_start_time { seconds: 1700000720 }"),
            "QUEUED #3 (memory\\n)");
  EXPECT_EQ(State("state: FAILED stop_reason: DEADLINE deadline { seconds: 1700000000 }"),
            "FAILED (DEADLINE)");
  EXPECT_EQ(State("state: SUCCEEDED stop_reason: COMPLETED deadline { seconds: 1700000010 }"),
            "SUCCEEDED");
  EXPECT_EQ(State("state: RUNNING estimated_start_time { seconds: 1700000720 } waiting_for: 'x'"),
            "RUNNING");
}

TEST_F(QueueTextTest, DeadlinesThatAreNear) {
  EXPECT_EQ(State("state: RUNNING deadline { seconds: 1700003600 }"), "RUNNING");
  EXPECT_EQ(State("state: RUNNING deadline { seconds: 1700001200 }"), "RUNNING, due in 20 min");
  EXPECT_EQ(State("state: RUNNING deadline { seconds: 1699999999 }"), "RUNNING, due now");
  EXPECT_EQ(State("state: PAUSED deadline { seconds: 1700000030 }"), "PAUSED, due in 30 s");
  // Not even begun by then.
  EXPECT_EQ(State("state: QUEUED queue_position: 2 deadline { seconds: 1700007500 } "
                  "estimated_start_time { seconds: 1700007500 }"),
            "QUEUED #2, due in 2h 05m");
  EXPECT_EQ(State("state: QUEUED queue_position: 2 deadline { seconds: 1700007500 } "
                  "estimated_start_time { seconds: 1700007000 }"),
            "QUEUED #2, in 1h 56m");
}

TEST_F(QueueTextTest, Place) {
  EXPECT_EQ(PlaceText(Parse<v1::Job>("queue_position: 2")), ", number 2 in the queue");
  EXPECT_EQ(PlaceText(v1::Job()), "");
}

TEST_F(QueueTextTest, EstimatedStart) {
  EXPECT_EQ(
      EstimatedStartText(Parse<v1::Job>("estimated_start_time { seconds: 1700000720 }"), kNowUs),
      "in about 12 min, 2023-11-14 22:25:20");
  EXPECT_EQ(
      EstimatedStartText(Parse<v1::Job>("estimated_start_time { seconds: 1699999990 }"), kNowUs),
      "soon, 2023-11-14 22:13:10");
}

TEST_F(QueueTextTest, Deadline) {
  EXPECT_EQ(DeadlineText(Parse<v1::Job>("state: QUEUED deadline { seconds: 1700007500 }"), kNowUs),
            "2023-11-15 00:18:20, 2h 05m left");
  EXPECT_EQ(DeadlineText(Parse<v1::Job>("state: RUNNING deadline { seconds: 1 }"), kNowUs),
            "1970-01-01 00:00:01, now");
  EXPECT_EQ(
      DeadlineText(Parse<v1::Job>("state: SUCCEEDED deadline { seconds: 1700007500 }"), kNowUs),
      "2023-11-15 00:18:20");
}

TEST_F(QueueTextTest, MaxRunTimeIsOfAllAttempts) {
  constexpr char kAttempts[] = R"(
      max_run_time { seconds: 3600 }
      attempts { number: 1 start_time { seconds: 1699990000 } end_time { seconds: 1699991200 } }
      attempts { number: 2 start_time { seconds: 1699999400 } })";
  EXPECT_EQ(MaxRunTimeText(Parse<v1::Job>(std::string("state: RUNNING ") + kAttempts), kNowUs),
            "1h 00m, 30 min left");
  EXPECT_EQ(MaxRunTimeText(Parse<v1::Job>(std::string("state: FAILED ") + kAttempts), kNowUs),
            "1h 00m");
  EXPECT_EQ(MaxRunTimeText(Parse<v1::Job>("state: QUEUED max_run_time { seconds: 90 }"), kNowUs),
            "1m 30s");
  EXPECT_EQ(MaxRunTimeText(Parse<v1::Job>("state: RUNNING max_run_time { seconds: 1 } "
                                          "attempts { start_time { seconds: 1 } }"),
                           kNowUs),
            "1.0 s, nothing left");
}

TEST_F(QueueTextTest, Labels) {
  EXPECT_EQ(LabelsText(Parse<v1::Job>("labels { key: 'project' value: 'thesis' } "
                                      "labels { key: 'draft' } "
                                      "labels { key: 'note' value: 'two words\\033' }")),
            "draft note='two words\\x1b' project=thesis");
  EXPECT_EQ(LabelsText(v1::Job()), "");
}

}  // namespace
}  // namespace anneal::client
