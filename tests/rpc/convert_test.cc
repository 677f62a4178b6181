#include "server/rpc/convert.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "server/core/strings.h"
#include "tests/rpc/small_spec.h"

namespace anneal {
namespace {

TEST(ConvertTest, Timestamps) {
  EXPECT_EQ(ToTimestamp(1'700'000'000'123'456).seconds(), 1'700'000'000);
  EXPECT_EQ(ToTimestamp(1'700'000'000'123'456).nanos(), 123'456'000);
  EXPECT_EQ(ToTimestamp(-1).seconds(), -1);  // nanos count forward, also before 1970
  EXPECT_EQ(ToTimestamp(-1).nanos(), 999'999'000);
  EXPECT_EQ(ToTimestamp(-1'000'000).seconds(), -1);
  EXPECT_EQ(ToTimestamp(-1'000'000).nanos(), 0);
}

TEST(ConvertTest, TheNumbersOfStatesAndReasonsAreThoseOfTheApi) {
  for (const JobState state : kAllJobStates) {
    EXPECT_EQ(v1::Job::State_Name(static_cast<v1::Job::State>(state)), JobStateName(state));
  }
  EXPECT_EQ(v1::Job::State_ARRAYSIZE, 9);
  for (int i = 1; i < v1::Job::StopReason_ARRAYSIZE; ++i) {
    EXPECT_EQ(v1::Job::StopReason_Name(static_cast<v1::Job::StopReason>(i)),
              StopReasonName(static_cast<StopReason>(i)));
  }
}

TEST(ConvertTest, JobIdsAreDecimalAndNothingElse) {
  EXPECT_EQ(ParseJobId("1"), 1);
  EXPECT_EQ(ParseJobId("9223372036854775807"), std::numeric_limits<int64_t>::max());
  for (const char* text :
       {"", "0", "-1", "+1", "01", " 1", "1 ", "1.0", "1e3", "0x1", "9223372036854775808",
        "99999999999999999999999", "one", "\xD9\xA1", "1\n"}) {
    EXPECT_EQ(ParseJobId(text), std::nullopt) << text;
  }
}

TEST(ConvertTest, AJobWithEverything) {
  Job job;
  job.id = 12;
  job.name = "name";
  job.state = JobState::kFailed;
  job.stop_reason = StopReason::kDiverged;
  job.message = "loss is NaN in file \xFF";
  job.priority = -3;
  job.create_time_us = 1'000'000;
  job.start_time_us = 2'000'000;
  job.end_time_us = 3'000'000;
  job.spec = SmallSpec("name").SerializeAsString();
  job.spec_sha256 = "abc";
  job.attempt_count = 2;
  job.attempts = {{1, 2'000'000, 2'500'000, "INTERRUPTED", "print"},
                  {2, 2'600'000, 0, "", "print"}};
  job.result = TrainingResult{{{"test_loss", 0.5}}, 7, 4, "sha"};
  const auto proto = ToProto(job);
  ASSERT_TRUE(proto.ok()) << proto.status();
  EXPECT_EQ(proto->id(), "12");
  EXPECT_EQ(proto->state(), v1::Job::FAILED);
  EXPECT_EQ(proto->stop_reason(), v1::Job::DIVERGED);
  EXPECT_EQ(proto->message(), "loss is NaN in file \xEF\xBF\xBD");
  EXPECT_EQ(proto->priority(), -3);
  EXPECT_EQ(proto->create_time().seconds(), 1);
  EXPECT_EQ(proto->start_time().seconds(), 2);
  EXPECT_EQ(proto->end_time().seconds(), 3);
  EXPECT_EQ(proto->spec().name(), "name");
  EXPECT_EQ(proto->spec_sha256(), "abc");
  EXPECT_EQ(proto->attempt_count(), 2);
  ASSERT_EQ(proto->attempts_size(), 2);
  EXPECT_EQ(proto->attempts(0).outcome(), "INTERRUPTED");
  EXPECT_TRUE(proto->attempts(0).has_end_time());
  EXPECT_FALSE(proto->attempts(1).has_end_time());
  EXPECT_EQ(proto->result().metrics(0).name(), "test_loss");
  EXPECT_EQ(proto->result().best_epoch(), 4);
}

TEST(ConvertTest, ADamagedSpecIsDataLoss) {
  Job job;
  job.id = 5;
  job.spec = "\xFF\xFF\xFF";
  EXPECT_EQ(ToProto(job).status().code(), absl::StatusCode::kDataLoss);
}

TEST(ConvertTest, TimesThatNeverWereAreLeftOut) {
  const auto proto = ToProto(Job());
  ASSERT_TRUE(proto.ok());
  EXPECT_FALSE(proto->has_create_time());
  EXPECT_FALSE(proto->has_start_time());
  EXPECT_FALSE(proto->has_end_time());
  EXPECT_FALSE(proto->has_spec());
  EXPECT_FALSE(proto->has_result());
  EXPECT_TRUE(proto->id().empty());
}

TEST(ConvertTest, EventsOfEveryKind) {
  JobEvent event;
  event.job_id = 3;
  event.sequence = 9;
  event.time_us = 1'500'000;
  JobEvent::StateChange change;
  change.state = JobState::kSucceeded;
  change.stop_reason = StopReason::kCompleted;
  change.attempt = 2;
  event.what = change;
  EXPECT_EQ(ToProto(event).sequence(), 9);
  EXPECT_EQ(ToProto(event).time().nanos(), 500'000'000);
  EXPECT_EQ(ToProto(event).state_change().state(), v1::Job::SUCCEEDED);
  EXPECT_EQ(ToProto(event).state_change().stop_reason(), v1::Job::COMPLETED);
  EXPECT_EQ(ToProto(event).state_change().attempt(), 2);
  EpochRecord record;
  record.epoch = 4;
  record.attempt = 1;
  record.duration_us = 77;
  record.metrics = {{"loss", std::nan("")}, {"val_loss", -INFINITY}};
  event.what = record;
  EXPECT_EQ(ToProto(event).epoch().job_id(), "3");
  EXPECT_EQ(ToProto(event).epoch().epoch(), 4);
  EXPECT_EQ(ToProto(event).epoch().duration_us(), 77);
  EXPECT_TRUE(std::isnan(ToProto(event).epoch().metrics(0).value()));
  EXPECT_EQ(ToProto(event).epoch().metrics(1).value(), -INFINITY);
  event.what = JobEvent::Warning{"text"};
  EXPECT_EQ(ToProto(event).warning(), "text");
  event.what = TrainingResult{{}, 4, 2, "sha"};
  EXPECT_EQ(ToProto(event).result().epochs(), 4);
}

}  // namespace
}  // namespace anneal
