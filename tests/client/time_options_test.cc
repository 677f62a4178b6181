#include "client/time_options.h"

#include <cstdlib>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace anneal::client {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr int64_t kSecondUs = 1'000'000;
constexpr int64_t kMinuteUs = 60 * kSecondUs;
constexpr int64_t kHourUs = 60 * kMinuteUs;
constexpr int64_t kDayUs = 24 * kHourUs;
constexpr int64_t kNowUs = 1'700'000'000'000'000;

class TimeOptionsTest : public testing::Test {
 protected:
  TimeOptionsTest() { SetZone("UTC"); }
  static void SetZone(const char* zone) {
    setenv("TZ", zone, 1);
    tzset();
  }
  ~TimeOptionsTest() override { SetZone("UTC"); }

  // 0 where it is refused.
  static int64_t Duration(const std::string& text) {
    return ParseDuration("--max-time", text).value_or(0);
  }
  static int64_t Moment(const std::string& text) {
    return ParseMoment("--deadline", text, kNowUs).value_or(0);
  }
};

TEST_F(TimeOptionsTest, Durations) {
  EXPECT_EQ(Duration("45s"), 45 * kSecondUs);
  EXPECT_EQ(Duration("90m"), 90 * kMinuteUs);
  EXPECT_EQ(Duration("2h30m"), 150 * kMinuteUs);
  EXPECT_EQ(Duration("3d"), 3 * kDayUs);
  EXPECT_EQ(Duration("1d12h"), 36 * kHourUs);
  EXPECT_EQ(Duration("1.5h"), 90 * kMinuteUs);
  EXPECT_EQ(Duration("0.5d"), 12 * kHourUs);
  EXPECT_EQ(Duration("0d5m"), 5 * kMinuteUs);
  EXPECT_EQ(Duration("250ms"), 250'000);
  EXPECT_EQ(Duration("36500d"), 36500 * kDayUs);
}

TEST_F(TimeOptionsTest, WhatIsNoDuration) {
  for (const char* text :
       {"",     "90",     "m",      "d",     "3 d",    " 3d",  "3d ",     "3dd",  "3d2",
        "-3d",  "+3d",    "3d-2h",  "3d+2h", "5h2d",   "1e3h", "inf",     "2inf", "3w",
        "1:30", "3d 2h",  "3d inf", "0x5h",  "1.2.3d", "3,5h", "..d",     "now",  "none",
        "3D",   "3d\x1b", "\xff",   "infd",  "1e1d",   "3d1d", "3d0.0.1h"}) {
    const auto parsed = ParseDuration("--max-time", text);
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(parsed.status().message()),
                AllOf(StartsWith("--max-time: \""), HasSubstr("such as 90m, 2h30m or 3d"),
                      Not(HasSubstr("\x1b"))))
        << text;
  }
  EXPECT_EQ(ParseDuration("--max-time", "90").status().message(),
            "--max-time: \"90\" is no duration; write numbers with units (s, m, h, d), such as "
            "90m, 2h30m or 3d");
}

TEST_F(TimeOptionsTest, DurationsHaveBounds) {
  for (const char* text : {"0s", "0d", "0h0m", "0.0d", "10ns"}) {
    EXPECT_THAT(std::string(ParseDuration("--max-time", text).status().message()),
                HasSubstr("must be more than 0"))
        << text;
  }
  for (const char* text : {"36501d", "876001h", "999999999999999999d", "36500d1s"}) {
    EXPECT_THAT(std::string(ParseDuration("--max-time", text).status().message()),
                HasSubstr("at most 36500d"))
        << text;
  }
}

TEST_F(TimeOptionsTest, MomentsFromNow) {
  EXPECT_EQ(Moment("90m"), kNowUs + 90 * kMinuteUs);
  EXPECT_EQ(Moment("3d"), kNowUs + 3 * kDayUs);
  EXPECT_THAT(std::string(ParseMoment("--deadline", "0s", kNowUs).status().message()),
              HasSubstr("must be more than 0"));
}

TEST_F(TimeOptionsTest, MomentsOfRfc3339) {
  constexpr int64_t kTimeUs = 1'796'148'000 * kSecondUs;  // date -u -d '2026-12-01 18:00' +%s
  EXPECT_EQ(Moment("2026-12-01T18:00:00Z"), kTimeUs);
  EXPECT_EQ(Moment("2026-12-01T18:00Z"), kTimeUs);
  EXPECT_EQ(Moment("2026-12-01t19:00:00+01:00"), kTimeUs);
  EXPECT_EQ(Moment("2026-12-01 12:30-05:30"), kTimeUs);
  EXPECT_EQ(Moment("2026-12-01T18:00:00.25Z"), kTimeUs + 250'000);
}

TEST_F(TimeOptionsTest, MomentsOfLocalTime) {
  constexpr int64_t kTimeUs = 1'796'148'000 * kSecondUs;
  EXPECT_EQ(Moment("2026-12-01 18:00"), kTimeUs);
  EXPECT_EQ(Moment("2026-12-01T18:00"), kTimeUs);
  EXPECT_EQ(Moment("2026-12-01 18:00:07"), kTimeUs + 7 * kSecondUs);
  EXPECT_EQ(Moment("1970-01-01 00:00:01"), kSecondUs);
  EXPECT_EQ(Moment("9999-12-31 23:59:59"), 253'402'300'799 * kSecondUs);
}

TEST_F(TimeOptionsTest, WhatIsNoMoment) {
  for (const char* text :
       {"", "tomorrow", "2026-12-01", "18:00", "2026-13-01 18:00", "2026-02-30 18:00",
        "2026-12-01 25:00", "2026-12-01 18:60", "2026-12-01 18:00 ", " 2026-12-01 18:00",
        "2026-12-01  18:00:00 PM", "infinite-future", "infinite-past", "2026-12-01 18:00 CET",
        "01.12.2026 18:00", "1796148000", "none", "\x1b[2J", "2026-12-01 18:00+1:00:00"}) {
    const auto parsed = ParseMoment("--deadline", text, kNowUs);
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(parsed.status().message()),
                AllOf(StartsWith("--deadline: \""), HasSubstr("2026-12-01 18:00"),
                      HasSubstr("90m, 2h30m or 3d"), Not(HasSubstr("\x1b"))))
        << text;
  }
  for (const char* text : {"1969-12-31 23:59", "1970-01-01 00:00", "10000-01-01 00:00"}) {
    EXPECT_THAT(std::string(ParseMoment("--deadline", text, kNowUs).status().message()),
                HasSubstr("1970 to 9999"))
        << text;
  }
}

TEST_F(TimeOptionsTest, ProtosAndBack) {
  EXPECT_EQ(ToTimestamp(kNowUs + 5).seconds(), 1'700'000'000);
  EXPECT_EQ(ToTimestamp(kNowUs + 5).nanos(), 5'000);
  EXPECT_EQ(ToDuration(90'250'000).seconds(), 90);
  EXPECT_EQ(ToDuration(90'250'000).nanos(), 250'000'000);
  EXPECT_EQ(DurationUs(ToDuration(90'250'000)), 90'250'000);
}

}  // namespace
}  // namespace anneal::client
