#include "client/jobs_table.h"

#include <cstdlib>
#include <string>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/parse.h"

namespace anneal::client {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr int64_t kNowUs = 1'700'000'000'000'000;  // 2023-11-14 22:13:20 UTC

class JobsTableTest : public testing::Test {
 protected:
  JobsTableTest() {
    setenv("TZ", "UTC", 1);
    tzset();
    answer_ = Parse<v1::ListJobsResponse>(R"(
        jobs { id: "1204" name: "cifar10-deep-elu-with-a-rather-long-name" state: RUNNING owner: "ada"
               labels { key: "project" value: "thesis" } labels { key: "chapter" value: "seven" }
               create_time { seconds: 1699990000 } start_time { seconds: 1699999000 }
               progress { epoch: 12 epochs: 100 metrics { name: "val_accuracy" value: 0.5 } } }
        jobs { id: "1203" name: "next" state: QUEUED queue_position: 1 owner: "grace"
               estimated_start_time { seconds: 1700000720 } create_time { seconds: 1699990000 } }
        jobs { id: "1202" name: "big" state: QUEUED queue_position: 2 owner: "ada"
               waiting_for: "memory: needs 12.0 GiB, and 3.0 GiB are free" create_time { seconds: 1600000000 } }
        jobs { id: "1201" name: "old" state: SUCCEEDED stop_reason: EARLY_STOPPED owner: "ada"
               create_time { seconds: 1699990000 } start_time { seconds: 1699990000 } end_time { seconds: 1699990090 }
               progress { epoch: 7 metrics { name: "val_accuracy" value: 0.75 } } })");
  }

  std::string Table(int columns, bool labels = false) {
    return JobsTable(answer_, kNowUs, {.labels = labels}, {.unicode = true, .columns = columns});
  }
  // Columns of the longest line.
  static int Width(const std::string& table) {
    int width = 0;
    for (const auto line : absl::StrSplit(table, '\n'))
      width = std::max(width, DisplayWidth({line.data(), line.size()}));
    return width;
  }

  v1::ListJobsResponse answer_;
};

TEST_F(JobsTableTest, FitsTheTerminal) {
  for (const bool labels : {false, true}) {
    for (const int columns : {80, 90, 100, 120, 160, 200}) {
      const std::string table = Table(columns, labels);
      EXPECT_LE(Width(table), columns) << columns << "\n" << table;
      for (const char* needed : {"1204", "cifar10", "RUNNING", "QUEUED #1", "12/100"})
        EXPECT_THAT(table, HasSubstr(needed)) << columns;
    }
  }
}

TEST_F(JobsTableTest, WhereThereIsRoomAllIsShown) {
  EXPECT_EQ(Table(169),
            "  ID  NAME                                      OWNER  STATE                       E"
            "POCH  METRIC               CREATED                  RAN  LABELS\n"
            "1204  cifar10-deep-elu-with-a-rather-long-name  ada    RUNNING                    12"
            "/100  val_accuracy 0.5000  2023-11-14 19:26:40  16m 40s  chapter=seven project=thesi"
            "s\n"
            "1203  next                                      grace  QUEUED #1, in 12 min         "
            "                           2023-11-14 19:26:40\n"
            "1202  big                                       ada    QUEUED #2 (memory)           "
            "                           2020-09-13 12:26:40\n"
            "1201  old                                       ada    SUCCEEDED (EARLY_STOPPED)    "
            "   7  val_accuracy 0.7500  2023-11-14 19:26:40   1m 30s\n");
}

TEST_F(JobsTableTest, LabelsGiveWayFirstUnlessTheyAreAskedFor) {
  EXPECT_THAT(Table(155), HasSubstr("  chapter=seven…\n"));
  EXPECT_THAT(Table(155), HasSubstr("2023-11-14 19:26:40"));
  EXPECT_THAT(Table(145), Not(HasSubstr("LABELS")));
  EXPECT_THAT(Table(145), HasSubstr("2023-11-14 19:26:40"));
  EXPECT_THAT(Table(145, true), HasSubstr("chapter=seven project=thesis\n"));
  EXPECT_THAT(Table(145, true), HasSubstr(" 11-14 19:26 "));
}

TEST_F(JobsTableTest, WhatIsTheSameForAllOrEmptyIsLeftOut) {
  for (auto& job : *answer_.mutable_jobs()) {
    job.set_owner("ada");
    job.clear_progress();
    job.clear_labels();
  }
  const std::string table = Table(300, true);
  for (const char* header : {"OWNER", "EPOCH", "METRIC", "LABELS", "KIND"})
    EXPECT_THAT(table, Not(HasSubstr(header)));
}

TEST_F(JobsTableTest, APipeGetsWholeLines) {
  const std::string table = JobsTable(answer_, kNowUs, {.unbounded = true}, {.columns = 40});
  EXPECT_EQ(table, Table(169));
}

TEST_F(JobsTableTest, AnotherYearIsTold) {
  answer_.mutable_jobs()->DeleteSubrange(0, 2);
  const std::string table = Table(90);
  EXPECT_THAT(table, HasSubstr("2020-09-13\n"));
  EXPECT_THAT(table, HasSubstr("11-14 19:26"));
}

TEST_F(JobsTableTest, HostileTextIsEscapedAndNearDeadlinesArePainted) {
  answer_.mutable_jobs(1)->set_owner("\x1b[2J");
  (*answer_.mutable_jobs(1)->mutable_labels())["k"] = "\xe2\x80\xaetxt";
  answer_.mutable_jobs(1)->mutable_deadline()->set_seconds(1'700'000'060);
  const std::string table = JobsTable(answer_, kNowUs, {.labels = true, .unbounded = true},
                                      {.color = true, .unicode = true});
  EXPECT_THAT(table, HasSubstr("\\x1b[2J"));
  EXPECT_THAT(table, HasSubstr("k=\\u{202e}txt"));
  EXPECT_THAT(table, HasSubstr("\x1b[33mQUEUED #1, due in 1 min\x1b[0m"));
  EXPECT_THAT(table, HasSubstr("\x1b[36mRUNNING\x1b[0m"));
}

}  // namespace
}  // namespace anneal::client
