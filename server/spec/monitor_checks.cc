#include "server/spec/monitor_checks.h"

#include <algorithm>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/spec/metric_names.h"
#include "server/spec/text.h"

namespace anneal {
namespace {

constexpr size_t kListedMetrics = 20;

// "loss, accuracy, val_loss, val_accuracy"
std::string List(const std::vector<std::string>& names) {
  const size_t listed = std::min(names.size(), kListedMetrics);
  std::string list;
  for (const char* const prefix : {"", "val_"}) {
    for (size_t i = 0; i < listed; ++i)
      absl::StrAppend(&list, list.empty() ? "" : ", ", prefix, names[i]);
  }
  if (listed < names.size()) absl::StrAppend(&list, " and ", 2 * (names.size() - listed), " more");
  return list;
}

}  // namespace

void CheckMonitor(const FieldChecks& checks, const std::string& name, bool is_default,
                  const v1::TrainingSpec& training) {
  const std::vector<std::string> names = EpochMetricNames(training);
  const bool of_validation = absl::StartsWith(name, "val_");
  const std::string base = of_validation ? name.substr(4) : name;
  if (std::find(names.begin(), names.end(), base) == names.end()) {
    const bool looks_declarable = absl::StartsWith(base, "top_");
    checks.Add("monitor", absl::StrCat("is ", Quote(name), "; it is one of ", List(names),
                                       looks_declarable ? ", and what training.metrics adds" : ""));
  } else if (of_validation && !training.has_validation()) {
    checks.Add("monitor", absl::StrCat("is ", name, is_default ? " (the default)" : "",
                                       ", which needs validation: add training.validation, or "
                                       "monitor ",
                                       base));
  }
}

}  // namespace anneal
