// The fields of one layer, each by itself.
#pragma once

#include "anneal/v1/network.pb.h"
#include "server/spec/field_checks.h"

namespace anneal {

// `checks` is at the path of the layer's kind ("training.network.layers[1].dense"). Nothing to
// check where no kind is set, or where it is a repeat.
void CheckLayerFields(const FieldChecks& checks, const v1::Layer& layer);

}  // namespace anneal
