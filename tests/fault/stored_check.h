// What must be true of a database and its files, after whatever happened to them.
#pragma once

#include <string>
#include <vector>

#include "storage/store.h"
#include "tests/fault/acks.h"
#include "tests/fault/scenario.h"

namespace anneal {

// Each a sentence about something that must not be; empty: all is well.
using Violations = std::vector<std::string>;

// Nothing that was acknowledged is lost or altered, nothing is doubled, the database is whole, and
// every row that names a file names one that is there, bit for bit. To be asked of a store that was
// just opened, before a scheduler runs on it.
Violations CheckPromises(Store& store, const std::string& database, const std::string& artifacts,
                         const std::vector<Ack>& acks);

// After a scenario that came to its end: every job is what it would be had nothing happened, and
// there is no file that no row names. `disk_failed`: a job may have FAILED for STORAGE instead, and
// a prediction for INVALID_DATA where its model did.
Violations CheckFinished(Store& store, const std::string& artifacts, bool disk_failed);

// All of that for what is left in `folder` of a world that was cut off: CheckPromises, then the
// scenario is gone on with to its end on the system's own disk, and CheckFinished after one more
// start; at last every job is deleted, and no file may be left. `disk_failed`: as above.
Violations RecoverAndCheck(const std::string& folder, std::vector<Ack> acks,
                           bool disk_failed = false);

// A line each; for a test's message.
std::string Lines(const Violations& violations);

}  // namespace anneal
