// What stored numbers say of jobs side by side. Pure functions.
#pragma once

#include <string_view>
#include <vector>

#include "anneal/v1/comparison.pb.h"
#include "anneal/v1/job.pb.h"
#include "anneal/v1/result.pb.h"
#include "google/protobuf/repeated_field.h"

namespace anneal::client {

// `jobs` as GetJob answers, with distinct ids. `epochs` of these jobs, each job's in order from its
// first; of their metrics those named loss, accuracy, val_loss and val_accuracy are used. Durations
// below 0 count as 0.
v1::Comparison Compare(const std::vector<v1::Job>& jobs,
                       const google::protobuf::RepeatedPtrField<v1::EpochMetrics>& epochs);

// The job's value of `metric`, null where no epoch has a number. `metric` is one of the two that
// are compared.
const v1::Comparison::Best* FindBest(const v1::Comparison& comparison,
                                     const v1::Comparison::ComparedJob& job,
                                     std::string_view metric);

// Null where there is none.
const v1::Comparison::Reach* FindReach(const v1::Comparison& comparison, std::string_view metric,
                                       std::string_view job_id, std::string_view target_job_id);

// How much better `value` is than `other`: negative where it is worse.
double Lead(const v1::Comparison& comparison, std::string_view metric, double value, double other);

}  // namespace anneal::client
