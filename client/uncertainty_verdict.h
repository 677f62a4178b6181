// What the measures of a prediction come to, in sentences. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "anneal/v1/prediction.pb.h"
#include "client/render.h"

namespace anneal::client {

// Whether Monte Carlo Dropout helps, how sure the answers are against how good, what it gains to
// leave out the least sure ones (ranked by `rank_by`), which measure tells wrong from right and
// whether mutual information does, and how far to trust all that. Each a list's item, broken at
// style.columns, ending in '\n'.
std::string UncertaintyVerdict(const v1::Uncertainty& uncertainty, const std::string& rank_by,
                               const Style& style);

// Which of several predictions, with or without dropout, has the highest accuracy, the lowest NLL
// and the lowest ECE, and whether they can be compared at all: are of the same images.
std::string UncertaintyRanking(const std::vector<v1::Uncertainty>& uncertainties,
                               const Style& style);

// The standard error of an area under the ROC curve (Hanley & McNeil 1982, with the exponential
// model's Q1 and Q2). Nothing where one of the kinds is missing.
std::optional<double> AurocError(double auroc, int64_t positives, int64_t negatives);

// The same where it is 0.5 by chance alone (Mann & Whitney 1947).
std::optional<double> ChanceAurocError(int64_t positives, int64_t negatives);

}  // namespace anneal::client
