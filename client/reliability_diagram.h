// How often answers of each confidence are right (Guo et al. 2017, figure 1), in bars. A pure
// function.
#pragma once

#include <string>
#include <vector>

#include "client/render.h"
#include "client/uncertainty_text.h"

namespace anneal::client {

// A line a bin of confidence that has images, with the number of images, their accuracy and a bar
// of that length, in which a mark stands at the mean confidence: where the bar would end if the
// answers were as good as they are sure. Both ways of answering beside one another where
// style.columns have room, else one after the other. After an empty line and a title; "" where no
// bin has images.
std::string ReliabilityDiagram(const std::vector<Answers>& all, const Style& style);

}  // namespace anneal::client
