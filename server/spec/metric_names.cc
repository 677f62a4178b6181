#include "server/spec/metric_names.h"

#include "absl/strings/str_cat.h"
#include "server/spec/defaults.h"

namespace anneal {

std::string MetricName(const v1::MetricSpec& metric) {
  return absl::StrCat("top_", defaults::K(metric.top_k_accuracy()), "_accuracy");
}

std::vector<std::string> EpochMetricNames(const v1::TrainingSpec& training) {
  std::vector<std::string> names = {"loss", "accuracy"};
  for (const v1::MetricSpec& metric : training.metrics()) {
    if (metric.kind_case() != v1::MetricSpec::KIND_NOT_SET) names.push_back(MetricName(metric));
  }
  return names;
}

}  // namespace anneal
