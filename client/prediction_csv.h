// Predictions of images for programs. Pure functions; lines end in '\n', numbers have full
// precision, texts are escaped.
#pragma once

#include <string>

#include "anneal/v1/prediction.pb.h"

namespace anneal::client {

// A header for PredictionCsvRow: job,image,label,label_name,predicted,predicted_name, the measures
// as in the proto, deterministic_predicted,deterministic_predicted_name, then p_0 .. of the mean
// probabilities, std_0 .. of their deviations, deterministic_p_0 .. without dropout. Scripts rely
// on the names: add new ones at the end.
std::string PredictionCsvHeader(const v1::PredictionSet& set);
std::string PredictionCsvRow(const v1::PredictionSet& set, const v1::Prediction& prediction);

// A header for SampleCsvRows: job,image,label,label_name,sample,p_0 ...
std::string SampleCsvHeader(const v1::PredictionSet& set);
// A line for each sample, numbered from 1; nothing where samples were not kept.
std::string SampleCsvRows(const v1::PredictionSet& set, const v1::Prediction& prediction);

}  // namespace anneal::client
