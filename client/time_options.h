// Times and durations as people type them. Pure functions of their arguments and of the time zone.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"

namespace anneal::client {

// "45s", "90m", "2h30m", "3d", "1d12h", "1.5h" in microseconds, more than 0 and at most 100 years
// of 365 days. INVALID_ARGUMENT: `text` is none; the message begins with `option` and says what
// would be right. Escaped.
absl::StatusOr<int64_t> ParseDuration(const std::string& option, const std::string& text);

// A moment in microseconds since the epoch, UTC: such a duration, counted from `now_us`; RFC 3339,
// "2026-12-01T18:00:00+01:00", also without seconds; or local time, "2026-12-01 18:00" or
// "2026-12-01 18:00:30". From 1970 to 9999; whether it is past is the daemon's to judge, whose
// clock counts. INVALID_ARGUMENT as above.
absl::StatusOr<int64_t> ParseMoment(const std::string& option, const std::string& text,
                                    int64_t now_us);

google::protobuf::Duration ToDuration(int64_t duration_us);
google::protobuf::Timestamp ToTimestamp(int64_t time_us);
int64_t DurationUs(const google::protobuf::Duration& duration);

}  // namespace anneal::client
