// The words for a job's place in the queue, its deadline and its labels. Pure functions.
#pragma once

#include <cstdint>
#include <string>

#include "anneal/v1/job.pb.h"
#include "client/render.h"

namespace anneal::client {

// A duration without false precision: "45 s", "12 min", "2h 05m", "3d 04h". At least a second.
std::string RoughDuration(int64_t duration_us);

// ", number 3 in the queue"; "" where the job has no place there.
std::string PlaceText(const v1::Job& job);

// The state in few words, with what there is to say about it, the most urgent first: "QUEUED #3, in
// 12 min", "QUEUED #3 (memory)", "RUNNING, due in 20 min", "FAILED (DIVERGED)". A deadline is told
// of in its last hour, and where the job will not even have begun by then; of what it waits for the
// figures are left to `show`. Escaped.
std::string QueueStateText(const v1::Job& job, int64_t now_us);

// Whether the job has not ended and its deadline is one that QueueStateText() tells of.
bool IsDeadlineNear(const v1::Job& job, int64_t now_us);

// "in about 12 min, 2026-12-01 18:00:00".
std::string EstimatedStartText(const v1::Job& job, int64_t now_us);

// "2026-12-01 18:00:00, 3h 05m left"; of a job that has ended the time alone.
std::string DeadlineText(const v1::Job& job, int64_t now_us);

// "2h 00m, 1h 35m left", of what all attempts took; of a job that has ended the limit alone.
std::string MaxRunTimeText(const v1::Job& job, int64_t now_us);

// "draft project=thesis", by key; with spaces in a value: "note='two words'". Escaped.
std::string LabelsText(const v1::Job& job);

}  // namespace anneal::client
