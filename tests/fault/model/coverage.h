// How often the interesting things happened: a check that finds nothing wrong says little without.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "tests/fault/model/record.h"

namespace anneal::model {

// "QUEUED to PAUSED", "killed while CANCELLING", ...: how often, added to what is there.
void AddCoverage(const BatchRecord& batch, std::map<std::string, int64_t>& counts);

}  // namespace anneal::model
