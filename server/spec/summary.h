// The table of layers, as Keras's model.summary() shows it.
#pragma once

#include <vector>

#include "anneal/v1/result.pb.h"
#include "anneal/v1/training.pb.h"
#include "server/spec/validated_spec.h"

namespace anneal {

// `layers`: the expanded network with all shapes and counts; not empty.
v1::NetworkSummary Summarize(const v1::TrainingSpec& training,
                             const std::vector<ResolvedLayer>& layers);

}  // namespace anneal
