// The curve of a learning-rate range test as rows. Both throw what SQLiteCpp throws.
#pragma once

#include <optional>

#include "server/core/job.h"
#include "server/core/learning_rate_curve.h"
#include "storage/connection.h"

namespace anneal {

// Inside the transaction that has written the job's result.
void WriteCurve(Connection& connection, JobId id, const LearningRateCurve& curve);

// Bit for bit as written; nothing where the job has none.
std::optional<LearningRateCurve> ReadCurve(Connection& connection, JobId id);

}  // namespace anneal
