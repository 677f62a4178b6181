// The class probabilities of one image in a few columns. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "anneal/v1/prediction.pb.h"
#include "client/render.h"

namespace anneal::client {

// From so many classes on the likeliest are named instead of drawn.
inline constexpr int kManyClasses = 100;

// A cell a class, in order, as high as its probability in eighths ("·▁▂▃▄▅▆▇█"), or without UTF-8
// its tenths (".123456789"): what is below half a step is a dot. On a terminal with colours the
// label is green, and a predicted class that is not the label red.
std::string ClassBars(const v1::Prediction& prediction, const Style& style);

// "cat 0.52, dog 0.31, deer 0.10": the likeliest classes, as many as `columns` hold, at least one
// (shortened); those below half a hundredth are left out.
std::string LikelyClasses(const v1::Prediction& prediction, const v1::PredictionSet& set,
                          int columns, const Style& style);

// "cat 57, dog 40, deer 3": how many of the samples vote for which class, most first; a sample
// votes for its likeliest class, the first of equals. "" where samples were not kept.
std::string VotesText(const v1::Prediction& prediction, const v1::PredictionSet& set);

}  // namespace anneal::client
