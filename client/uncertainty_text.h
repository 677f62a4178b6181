// What is measured of all images of a prediction, for people and for spreadsheets. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "anneal/v1/prediction.pb.h"
#include "client/render.h"

namespace anneal::client {

// One of the two ways in which the images were answered.
struct Answers {
  std::string_view id;    // "deterministic" or "monte_carlo", for programs
  std::string_view name;  // "without dropout" or "MC Dropout"
  const v1::SetMeasures* measures = nullptr;
};

// Those that are there, without dropout first. Valid while `uncertainty` is.
std::vector<Answers> AllAnswers(const v1::Uncertainty& uncertainty);

// The standard error of a share, such as an accuracy, of `images` independent ones: binomial.
double ShareError(double share, int64_t images);

// A line for each prediction and way: accuracy, its standard error, NLL, Brier score, ECE, AURC.
std::string UncertaintyComparison(const std::vector<v1::Uncertainty>& uncertainties,
                                  const Style& style);

// Of one prediction: what it is, the same line for each way, accuracy and error at each coverage
// (images ranked by `rank_by`), the measures' means over right and wrong answers and their AUROC,
// and the reliability diagram.
std::string UncertaintyText(const v1::Uncertainty& uncertainty, const std::string& rank_by,
                            const Style& style);

// The columns job,kind,measure,value with a header, at full precision, a line a number: accuracy,
// nll, brier, ece, aurc, images; coverage_0.9/accuracy, /images and /threshold; entropy/right,
// /wrong and /auroc; bin_1/lower, /upper, /images, /accuracy and /confidence. What is not set is
// left out.
std::string UncertaintyCsv(const std::vector<v1::Uncertainty>& uncertainties);

}  // namespace anneal::client
