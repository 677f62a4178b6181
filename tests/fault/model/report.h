// A history as a person reads it.
#pragma once

#include <cstddef>
#include <string>

#include "tests/fault/model/record.h"

namespace anneal::model {

// Calls and answers, kills, and what the jobs' events and the engine say, in the order of time.
std::string Describe(const BatchRecord& batch, size_t history);

}  // namespace anneal::model
