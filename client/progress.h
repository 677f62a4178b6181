// One line for where training stands, and one for each finished epoch. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "anneal/v1/job.pb.h"
#include "anneal/v1/result.pb.h"
#include "client/render.h"
#include "google/protobuf/repeated_field.h"

namespace anneal::client {

// In the order people read them: what is measured in training, then val_*, then test_*; in each
// loss first, accuracy second, the rest by name.
std::vector<v1::Metric> OrderMetrics(const google::protobuf::RepeatedPtrField<v1::Metric>& metrics);

// "loss 1.7321  accuracy 0.3812  val_loss 1.6500", in the order above.
std::string MetricsText(const google::protobuf::RepeatedPtrField<v1::Metric>& metrics);

// A bar of `width` columns, brackets included, filled to done / total (clamped to 0..1; empty where
// total <= 0).
std::string Bar(int64_t done, int64_t total, int width, const Style& style);

// "epoch  3/30 [█████▍    ] 512/1563  loss 1.7321  accuracy 0.3812  val_loss 1.6500  12,345/s  ETA
// 1m 05s", at most style.columns - 1 columns: first the bar shrinks and goes, then samples/s, then
// metrics from the right. No newline.
std::string ProgressLine(const v1::Progress& progress, const Style& style);

// The same of a learning-rate range test, which has steps and no epochs: "range test [████▍   ]
// 512/1563  loss 1.7321  12,345/s  ETA 12.0 s".
std::string RangeTestProgressLine(const v1::Progress& progress, const Style& style);

// The same of a prediction, which has images and one pass over them: "images [████▍   ]
// 2,560/10,000  accuracy 0.7321  12,345/s  ETA 12.0 s".
std::string PredictionProgressLine(const v1::Progress& progress, const Style& style);

// "epoch  3/30  loss 1.7321  accuracy 0.3812  val_loss 1.6500  val_accuracy 0.4102  14.2 s".
// `epochs` as asked; 0: not known, then it is left out. No newline.
std::string EpochLine(const v1::EpochMetrics& epoch, int64_t epochs);

}  // namespace anneal::client
