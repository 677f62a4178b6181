#include "server/spec/summary.h"

#include "server/spec/estimate.h"
#include "server/spec/layer_kind.h"

namespace anneal {

v1::NetworkSummary Summarize(const v1::TrainingSpec& training,
                             const std::vector<ResolvedLayer>& layers) {
  v1::NetworkSummary summary;
  summary.mutable_input_shape()->Add(layers.front().input_shape.begin(),
                                     layers.front().input_shape.end());
  int64_t trainable = 0;
  int64_t non_trainable = 0;
  for (const ResolvedLayer& layer : layers) {
    v1::NetworkSummary::Row& row = *summary.add_rows();
    row.set_name(layer.name);
    row.set_kind(KindOf(*layer.layer).class_name);
    row.mutable_output_shape()->Add(layer.output_shape.begin(), layer.output_shape.end());
    row.set_parameters(layer.trainable_parameters + layer.non_trainable_parameters);
    trainable += layer.trainable_parameters;
    non_trainable += layer.non_trainable_parameters;
  }
  summary.set_trainable_parameters(trainable);
  summary.set_non_trainable_parameters(non_trainable);
  summary.set_memory_bytes(EstimateMemory(training, layers).total());
  summary.set_flops_per_sample(FlopsPerSample(layers));
  return summary;
}

}  // namespace anneal
