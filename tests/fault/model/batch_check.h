// The judgement of a whole batch.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "tests/fault/model/record.h"

namespace anneal::model {

struct Problem {
  // Of which history; kNoHistory: of the batch.
  static constexpr size_t kNoHistory = static_cast<size_t>(-1);
  size_t history = kNoHistory;
  std::string text{};
  size_t other_history = kNoHistory;  // where it is between two
};

std::vector<Problem> CheckBatch(const BatchRecord& batch);

}  // namespace anneal::model
