// The names under which a training's metrics are stored, and which of them may be monitored.
#pragma once

#include <string>
#include <vector>

#include "anneal/v1/training.pb.h"

namespace anneal {

// "top_3_accuracy". `metric` must have a kind.
std::string MetricName(const v1::MetricSpec& metric);

// What is measured on the training data in every epoch: "loss", "accuracy" and the names of the
// spec's metrics that have a kind, in the spec's order. With validation, each of them is also there
// with "val_" in front.
std::vector<std::string> EpochMetricNames(const v1::TrainingSpec& training);

}  // namespace anneal
