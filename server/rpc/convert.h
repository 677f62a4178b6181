// Core structs -> messages of the API. Times are microseconds since the epoch; 0 leaves the field
// out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include "absl/status/statusor.h"
#include "anneal/v1/dataset_service.pb.h"
#include "anneal/v1/job.pb.h"
#include "anneal/v1/result.pb.h"
#include "server/core/checkpoint_info.h"
#include "server/core/dataset_info.h"
#include "server/core/job.h"
#include "server/core/metrics.h"

namespace anneal {

google::protobuf::Timestamp ToTimestamp(int64_t time_us);
google::protobuf::Duration ToDuration(int64_t duration_us);

v1::EpochMetrics ToProto(JobId job_id, const EpochRecord& record);
v1::TrainingResult ToProto(const TrainingResult& result);
v1::Progress ToProto(const ProgressSnapshot& snapshot);
v1::JobEvent ToProto(const JobEvent& event);
v1::Dataset ToProto(const DatasetInfo& info);

v1::LearningRateRangeTestResult ToProto(const LearningRateCurve& curve);
v1::Checkpoint ToProto(const CheckpointInfo& checkpoint);
v1::Trial ToProto(const TrialPlace& trial);
v1::TrialSetting ToProto(const TrialSetting& setting);

// With the spec where `job.spec` is not empty; without progress and queue_position. DATA_LOSS: the
// stored spec does not parse.
absl::StatusOr<v1::Job> ToProto(const Job& job);

}  // namespace anneal
