// Jobs as rows. Reads of one connection, inside a transaction of the caller; they throw what
// SQLiteCpp throws.
#pragma once

#include "server/core/job.h"
#include "storage/connection.h"

namespace anneal {

// The row that a query stands at, which selects the columns of sql::kJob.
Job ReadJobRow(const Query& row);

// Fills in those of a trial.
void ReadSettings(Connection& connection, Job& job);

void ReadLabels(Connection& connection, Job& job);

}  // namespace anneal
