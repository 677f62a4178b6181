// Activations, normalizations and losses against Keras's numbers: keras_reference/activations.csv
// and losses.csv, which record.py makes.
#include <ATen/ATen.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "server/engine/initializers.h"
#include "server/engine/layer.h"
#include "server/engine/loss.h"

namespace anneal {
namespace {

// "text;numbers" a line, in order.
std::vector<std::pair<std::string, std::vector<double>>> ReadReference(const std::string& name) {
  std::vector<std::pair<std::string, std::vector<double>>> lines;
  std::ifstream file(std::string(ANNEAL_KERAS_REFERENCE "/") + name);
  EXPECT_TRUE(file.is_open());
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) continue;
    const size_t separator = line.find(';');
    std::stringstream stream(line.substr(separator + 1));
    std::vector<double> numbers;
    for (std::string number; stream >> number;)
      numbers.push_back(std::strtod(number.c_str(), nullptr));
    lines.emplace_back(line.substr(0, separator), std::move(numbers));
  }
  return lines;
}

at::Tensor Row(const std::vector<double>& values) {
  return at::tensor(values, at::kFloat).unsqueeze(0);
}

// What a layer with its initial weights makes of one sample, without training.
at::Tensor Infer(const v1::Layer& spec, Kernels& kernels, const at::Tensor& x) {
  const std::unique_ptr<Layer> layer = MakeLayer(spec, {x.size(1)}, false, 0);
  std::vector<Parameter> parameters;
  for (const ParameterSpec& parameter : layer->Parameters()) {
    at::Tensor value = at::empty(parameter.shape);
    Initialize(parameter.initializer, parameter.shape, parameter.fans, 0, 0,
               value.data_ptr<float>());
    parameters.push_back({value, at::Tensor()});
  }
  if (!parameters.empty()) layer->Bind(std::move(parameters));
  if (layer->IsView(Mode::kInference)) return x;
  LayerIo io;
  io.x = x;
  io.y = at::full_like(x, -1e9);
  layer->Prepare(kernels, io, Mode::kInference);
  layer->Forward(kernels, io, Mode::kInference, StepContext{});
  return io.y;
}

TEST(KerasActivations, EveryLayerMakesTheSame) {
  const auto lines = ReadReference("activations.csv");
  ASSERT_EQ(lines.size(), 35U);
  ASSERT_EQ(lines[0].first, "inputs");
  const at::Tensor x = Row(lines[0].second);
  for (size_t k = 1; k < lines.size(); ++k) {
    const auto& [text, expected] = lines[k];
    v1::Layer spec;
    ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &spec)) << text;
    ASSERT_EQ(expected.size(), lines[0].second.size());
    for (const bool aten : {false, true}) {
      SCOPED_TRACE(text + (aten ? ", ATen" : ", CPU"));
      const auto kernels = aten ? MakeAtenKernels(at::kCPU) : MakeCpuKernels();
      const at::Tensor y = Infer(spec, *kernels, x);
      for (size_t i = 0; i < expected.size(); ++i) {
        EXPECT_NEAR(y.data_ptr<float>()[i], expected[i],
                    1e-6 * std::max(1.0, std::abs(expected[i])))
            << "of " << lines[0].second[i];
      }
    }
  }
}

TEST(KerasLosses, EveryLossIsTheSame) {
  const auto lines = ReadReference("losses.csv");
  ASSERT_EQ(lines.size(), 12U);
  ASSERT_EQ(lines[0].first, "labels");
  ASSERT_EQ(lines[1].first, "outputs");
  const auto rows = static_cast<int64_t>(lines[0].second.size());
  const at::Tensor labels = at::tensor(lines[0].second, at::kDouble).to(at::kInt);
  const at::Tensor outputs = at::tensor(lines[1].second, at::kFloat).view({rows, -1});
  for (size_t k = 2; k < lines.size(); ++k) {
    const auto& [text, expected] = lines[k];
    v1::Loss spec;
    ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &spec)) << text;
    for (const bool aten : {false, true}) {
      SCOPED_TRACE(text + (aten ? ", ATen" : ", CPU"));
      const auto kernels = aten ? MakeAtenKernels(at::kCPU) : MakeCpuKernels();
      const LossSums sums = Loss::Create(spec)->Evaluate(*kernels, outputs, labels);
      EXPECT_NEAR(sums.loss / static_cast<double>(rows), expected.at(0), 1e-6 * expected.at(0));
    }
  }
}

}  // namespace
}  // namespace anneal
