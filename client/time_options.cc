#include "client/time_options.h"

#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/render.h"

namespace anneal::client {
namespace {

const absl::Duration kLongest = absl::Hours(24) * 365 * 100;
const absl::Time kEnd = absl::UnixEpoch() + absl::Seconds(253'402'300'800);  // the year 10000

// Nothing where `text` is no duration. Abseil knows units up to hours, and "inf", a sign, and 0
// without a unit.
std::optional<absl::Duration> ReadDuration(const std::string& text) {
  if (text.empty() || !(absl::ascii_isdigit(static_cast<unsigned char>(text[0])) || text[0] == '.'))
    return std::nullopt;
  if (absl::ascii_isdigit(static_cast<unsigned char>(text.back()))) return std::nullopt;
  absl::Duration days;
  std::string rest = text;
  if (const size_t d = text.find('d'); d != std::string::npos) {
    // Its number as if it were of hours: read by the same rules, and alone.
    const std::string number = text.substr(0, d);
    if (number.find_first_not_of("0123456789.") != std::string::npos ||
        !absl::ParseDuration(number + "h", &days)) {
      return std::nullopt;
    }
    days *= 24;
    rest = text.substr(d + 1);
  }
  absl::Duration others;
  if (!rest.empty() && !absl::ParseDuration(rest, &others)) return std::nullopt;
  if (!rest.empty() && (rest[0] == '+' || rest[0] == '-')) return std::nullopt;
  return days + others;
}

absl::Status Wrong(const std::string& option, const std::string& text, const std::string& problem) {
  return absl::InvalidArgumentError(absl::StrCat(option, ": \"", Escape(text), "\" ", problem));
}

absl::Status CheckDuration(const std::string& option, const std::string& text,
                           absl::Duration duration) {
  if (duration < absl::Microseconds(1)) return Wrong(option, text, "must be more than 0");
  if (duration > kLongest) return Wrong(option, text, "must be at most 36500d, a hundred years");
  return absl::OkStatus();
}

// A date and a time of day.
std::optional<absl::Time> ReadMoment(const std::string& text) {
  // Abseil also takes "infinite-future", and spaces around.
  if (text.empty() || !absl::ascii_isdigit(static_cast<unsigned char>(text.front())) ||
      absl::ascii_isspace(static_cast<unsigned char>(text.back()))) {
    return std::nullopt;
  }
  for (const char* day : {"%Y-%m-%d%ET", "%Y-%m-%d "}) {
    for (const char* time_of_day : {"%H:%M:%E*S%Ez", "%H:%M%Ez", "%H:%M:%E*S", "%H:%M"}) {
      absl::Time time;
      if (absl::ParseTime(absl::StrCat(day, time_of_day), text, absl::LocalTimeZone(), &time,
                          nullptr)) {
        return time;
      }
    }
  }
  return std::nullopt;
}

}  // namespace

absl::StatusOr<int64_t> ParseDuration(const std::string& option, const std::string& text) {
  const std::optional<absl::Duration> duration = ReadDuration(text);
  if (!duration) {
    return Wrong(option, text,
                 "is no duration; write numbers with units (s, m, h, d), such as 90m, 2h30m or 3d");
  }
  if (const absl::Status status = CheckDuration(option, text, *duration); !status.ok())
    return status;
  return absl::ToInt64Microseconds(*duration);
}

absl::StatusOr<int64_t> ParseMoment(const std::string& option, const std::string& text,
                                    int64_t now_us) {
  if (const std::optional<absl::Duration> duration = ReadDuration(text); duration) {
    if (const absl::Status status = CheckDuration(option, text, *duration); !status.ok())
      return status;
    return now_us + absl::ToInt64Microseconds(*duration);
  }
  const std::optional<absl::Time> time = ReadMoment(text);
  if (!time) {
    return Wrong(option, text,
                 "is no time; write how long from now, such as 90m, 2h30m or 3d, or when, such as "
                 "\"2026-12-01 18:00\" (local) or 2026-12-01T18:00:00+01:00");
  }
  if (*time <= absl::UnixEpoch() || *time >= kEnd)
    return Wrong(option, text, "must be of the years 1970 to 9999");
  return absl::ToUnixMicros(*time);
}

google::protobuf::Duration ToDuration(int64_t duration_us) {
  google::protobuf::Duration duration;
  duration.set_seconds(duration_us / 1'000'000);
  duration.set_nanos(static_cast<int32_t>(duration_us % 1'000'000 * 1'000));
  return duration;
}

google::protobuf::Timestamp ToTimestamp(int64_t time_us) {
  google::protobuf::Timestamp time;
  time.set_seconds(time_us / 1'000'000);
  time.set_nanos(static_cast<int32_t>(time_us % 1'000'000 * 1'000));
  return time;
}

int64_t DurationUs(const google::protobuf::Duration& duration) {
  return duration.seconds() * 1'000'000 + duration.nanos() / 1'000;
}

}  // namespace anneal::client
