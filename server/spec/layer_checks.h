// What is wrong with the layers each by itself: their own fields, before any shape is known.
#pragma once

#include "anneal/v1/network.pb.h"
#include "server/spec/violation_list.h"

namespace anneal {

// Checks the fields of every layer of the network, also those inside of repeats, once as written
// (not once a round). True where the network may be expanded: it nests no deeper and expands to no
// more layers than the limits allow. A repeat whose count is wrong counts as one round.
bool CheckLayers(const v1::Network& network, ViolationList& violations);

}  // namespace anneal
