// Where a trainable weight lies in the network's flat buffers, and what it is subject to.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "anneal/v1/network.pb.h"

namespace anneal {

// One trainable weight. Ranges of a network are given in order and do not overlap; between them
// there may be padding, which nothing here reads or writes.
struct WeightRange {
  std::string name;            // "dense_3/kernel"
  int64_t offset = 0;          // of its first value in the parameters and in the gradients
  int64_t count = 0;           // of its values: the product of `shape`
  std::vector<int64_t> shape;  // units, filters or features last: [in, out], [KH, KW, C, F], [n]
  v1::Regularizer regularizer = {};  // kind not set: none
  v1::Constraint constraint = {};    // kind not set: none
};

}  // namespace anneal
