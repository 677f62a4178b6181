// The network with every repeat written out and every layer named.
#pragma once

#include <cstddef>
#include <vector>

#include "anneal/v1/network.pb.h"
#include "server/spec/validated_spec.h"
#include "server/spec/violation_list.h"

namespace anneal {

struct Expansion {
  std::vector<ResolvedLayer> layers;  // layer, name and path are set; shapes and counts are not
  // In order: a repeat with a wrong count, or an empty one, stands before layers[index] (or at the
  // end, where index is layers.size()). What shape leaves it is not known. Empty where nothing is
  // wrong.
  std::vector<size_t> gaps;
};

// `network` must have passed CheckLayers; the pointers lead into it. Adds a violation for every
// name that two layers have. Names that were not given are the kind and a counter from 1, over
// those that were.
Expansion Expand(const v1::Network& network, ViolationList& violations);

}  // namespace anneal
