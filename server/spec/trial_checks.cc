#include "server/spec/trial_checks.h"

#include <cstdint>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/spec/field_checks.h"
#include "server/spec/limits.h"
#include "server/spec/monitor_checks.h"
#include "server/spec/text.h"
#include "server/spec/validator.h"

namespace anneal {
namespace {

constexpr size_t kSaidOfOneField = 3;
constexpr size_t kSettingsBytes = 200;

// "trial 3: training.epochs=3, training.optimizer.adam.learning_rate=0.1"
std::string TrialText(size_t index, const PlannedTrial& trial) {
  std::string settings;
  for (const TrialSetting& setting : trial.settings) {
    absl::StrAppend(&settings, settings.empty() ? "" : ", ", setting.path, "=", setting.value);
  }
  return absl::StrCat("trial ", index + 1, ": ", Printable(settings, kSettingsBytes));
}

std::string MoreTrials(int64_t count) {
  return absl::StrCat(count, " more trial", count == 1 ? "" : "s");
}

// What was found in trials, each text of each field once.
class Findings {
 public:
  void Add(const std::string& field, const std::string& text, size_t index,
           const PlannedTrial& trial) {
    const auto [known, is_new] = places_.emplace(std::pair(field, text), found_.size());
    if (!is_new) {
      ++found_[known->second].trials;
      return;
    }
    Field& of_field = fields_[field];
    if (of_field.said == kSaidOfOneField) {
      places_.erase(known);
      ++of_field.more;
      return;
    }
    ++of_field.said;
    found_.push_back({field, text, TrialText(index, trial)});
  }

  // Calls `say(field, text)` for each, in the order found.
  template <typename Say>
  void Tell(const Say& say) const {
    for (const Finding& finding : found_) {
      const std::string more =
          finding.trials > 1 ? absl::StrCat("; and ", MoreTrials(finding.trials - 1)) : "";
      say(finding.field, absl::StrCat(finding.text, " (", finding.first_trial, more, ")"));
    }
    for (const auto& [field, of_field] : fields_) {
      if (of_field.more == 0) continue;
      say(field, absl::StrCat("something else in ", MoreTrials(of_field.more)));
    }
  }

 private:
  struct Finding {
    std::string field;
    std::string text;
    std::string first_trial;
    int64_t trials = 1;
  };
  struct Field {
    size_t said = 0;
    int64_t more = 0;
  };
  std::vector<Finding> found_;
  std::map<std::pair<std::string, std::string>, size_t> places_;
  std::map<std::string, Field> fields_;
};

}  // namespace

void CheckTrials(const v1::Sweep& sweep, const std::string& monitor,
                 const std::vector<PlannedTrial>& trials, const DatasetCatalog& catalog,
                 ViolationList& violations, std::vector<std::string>& warnings) {
  std::set<std::pair<std::string, std::string>> known;
  for (const Violation& violation : violations.kept())
    known.emplace(violation.field, violation.description);
  const std::set<std::string> known_warnings(warnings.begin(), warnings.end());
  Findings wrong;
  Findings unwise;
  int64_t layers = 0;
  int64_t wrong_trials = 0;
  for (size_t i = 0; i < trials.size(); ++i) {
    ValidationResult judged = Validator(catalog).Run(trials[i].spec);
    ViolationList of_monitor;
    CheckMonitor(FieldChecks("sweep", of_monitor), monitor, sweep.monitor().empty(),
                 trials[i].spec.training());
    for (Violation& violation : std::move(of_monitor).Take())
      judged.violations.push_back(std::move(violation));
    for (const Violation& violation : judged.violations) {
      if (known.contains({violation.field, violation.description})) continue;
      wrong.Add(violation.field, violation.description, i, trials[i]);
    }
    for (const std::string& warning : judged.warnings) {
      if (known_warnings.contains(warning)) continue;
      const size_t colon = warning.find(": ");  // after the field
      unwise.Add(warning.substr(0, colon), warning.substr(colon + 2), i, trials[i]);
    }
    if (!judged.violations.empty()) {
      if (++wrong_trials < limits::kWrongTrials || i + 1 == trials.size()) continue;
      violations.Add("sweep",
                     absl::StrCat("makes at least ", wrong_trials,
                                  " wrong trials; those after trial ", i + 1, " are not judged"));
      break;
    }
    layers += static_cast<int64_t>(judged.spec->layers().size());
    if (layers > limits::kTrialsLayers) {
      violations.Add(
          "sweep", absl::StrCat("makes networks of more than ", FormatCount(limits::kTrialsLayers),
                                " layers together; make fewer trials"));
      break;
    }
  }
  wrong.Tell(
      [&](const std::string& field, std::string text) { violations.Add(field, std::move(text)); });
  int64_t more_warnings = 0;
  unwise.Tell([&](const std::string& field, const std::string& text) {
    if (warnings.size() >= limits::kWarnings) {
      ++more_warnings;
    } else {
      warnings.push_back(absl::StrCat(field, ": ", text));
    }
  });
  if (more_warnings > 0)
    warnings.push_back(absl::StrCat("...: and ", more_warnings, " more warnings on trials"));
}

}  // namespace anneal
