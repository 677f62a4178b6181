// Flat buffers with several weights in them, for tests of what goes by weights.
#pragma once

#include <ATen/ATen.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <numeric>
#include <sstream>
#include <string>
#include <vector>

#include "server/engine/weight_range.h"

namespace anneal {

using Shape = std::vector<int64_t>;

inline constexpr float kPadding = 123.0F;

// Weights of the given shapes, each at a multiple of 16, with padding of at least one value after
// each and before the first.
struct FlatWeights {
  explicit FlatWeights(const std::vector<Shape>& shapes) {
    int64_t offset = 16;
    for (const Shape& shape : shapes) {
      WeightRange range;
      range.name = "weight_" + std::to_string(ranges.size());
      range.offset = offset;
      range.count = std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
      range.shape = shape;
      offset += (range.count / 16 + 1) * 16;
      ranges.push_back(range);
    }
    total = offset;
  }

  // One after the other into a flat buffer, kPadding elsewhere.
  at::Tensor Pack(const std::vector<double>& values) const {
    at::Tensor flat = at::full({total}, kPadding);
    size_t next = 0;
    for (const WeightRange& range : ranges) {
      for (int64_t i = 0; i < range.count; ++i) {
        flat.data_ptr<float>()[range.offset + i] = static_cast<float>(values.at(next++));
      }
    }
    return flat;
  }

  std::vector<double> Unpack(const at::Tensor& flat) const {
    std::vector<double> values;
    for (const WeightRange& range : ranges) {
      const float* begin = flat.data_ptr<float>() + range.offset;
      values.insert(values.end(), begin, begin + range.count);
    }
    return values;
  }

  // Whether everything between the weights is still kPadding.
  bool PaddingUntouched(const at::Tensor& flat) const {
    at::Tensor rest = flat.clone();
    for (const WeightRange& range : ranges) {
      rest.narrow(0, range.offset, range.count).fill_(kPadding);
    }
    return (rest == kPadding).all().item<bool>();
  }

  std::vector<WeightRange> ranges;
  int64_t total = 0;
};

// The shapes of the weights in clipping.csv and constraints.csv.
inline FlatWeights RecordedWeights() {
  return FlatWeights({{6, 5}, {5}, {3, 2, 4, 3}, {3}, {4, 1}});
}

// One line of those files: an option, weights before and after.
struct Recorded {
  std::string option;
  std::vector<double> before;
  std::vector<double> after;
};

inline std::vector<Recorded> ReadRecorded(const std::string& path) {
  std::vector<Recorded> all;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) continue;
    std::stringstream stream(line);
    Recorded recorded;
    std::getline(stream, recorded.option, ';');
    for (std::vector<double>* values : {&recorded.before, &recorded.after}) {
      std::string list;
      std::getline(stream, list, ';');
      std::stringstream numbers(list);
      for (std::string number; numbers >> number;) {
        values->push_back(std::strtod(number.c_str(), nullptr));
      }
    }
    all.push_back(recorded);
  }
  return all;
}

}  // namespace anneal
