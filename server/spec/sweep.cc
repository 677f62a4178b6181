#include "server/spec/sweep.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "proto/set_field.h"
#include "server/core/random.h"
#include "server/core/strings.h"
#include "server/spec/field_checks.h"
#include "server/spec/limits.h"
#include "server/spec/saturating.h"
#include "server/spec/text.h"

namespace anneal {
namespace {

using google::protobuf::FieldDescriptor;
using Parameter = v1::Sweep::RandomParameter;

constexpr size_t kErrorBytes = 1'000;
constexpr double kLargestWhole = 9007199254740992.0;  // 2^53: doubles hold every whole number to it

// What SetField has to say may hold anything that the client sent.
std::string Shown(const absl::Status& error) {
  return Printable(std::string(error.message()), kErrorBytes);
}

bool IsWhole(const FieldPlace& place) {
  switch (place.field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
    case FieldDescriptor::CPPTYPE_INT64:
    case FieldDescriptor::CPPTYPE_UINT32:
    case FieldDescriptor::CPPTYPE_UINT64:
      return !place.is_list;
    default:
      return false;
  }
}

bool IsReal(const FieldPlace& place) {
  return !place.is_list && (place.field->cpp_type() == FieldDescriptor::CPPTYPE_DOUBLE ||
                            place.field->cpp_type() == FieldDescriptor::CPPTYPE_FLOAT);
}

// Whether the text `outer` names something that holds what `inner` names, or the same.
bool Contains(const std::string& outer, const std::string& inner) {
  return absl::StartsWith(inner, outer) &&
         (inner.size() == outer.size() || inner[outer.size()] == '.' || inner[outer.size()] == '[');
}

// What the trials of a sweep with this name are called by: cut where a number would make it too
// long, between two characters.
std::string BaseName(const std::string& name) {
  if (name.empty() || !NameProblem(name, limits::kJobNameBytes).empty()) return "sweep";
  constexpr size_t kNumberBytes = 5;  // "/1000"
  size_t end = std::min(name.size(), limits::kJobNameBytes - kNumberBytes);
  while (end < name.size() && (static_cast<unsigned char>(name[end]) & 0xC0) == 0x80) --end;
  return name.substr(0, end);
}

class Planner {
 public:
  Planner(const v1::JobSpec& spec, ViolationList& violations)
      : spec_(spec), violations_(violations) {
    base_.set_name(spec.name());
    *base_.mutable_training() = spec.training();
  }

  std::vector<PlannedTrial> Plan() {
    const v1::Sweep& sweep = spec_.sweep();
    const FieldChecks checks("sweep", violations_);
    CheckThat(checks.Enum("mode", sweep.mode(), v1::Sweep::Mode_descriptor()));
    int64_t count = 0;
    switch (sweep.strategy_case()) {
      case v1::Sweep::kGrid:
        count = CountOf(sweep.grid());
        CheckSize(count, ValuesOf(sweep.grid()));
        CheckGrid(sweep.grid(), count);
        break;
      case v1::Sweep::kRandom:
        count = sweep.random().trials();
        CheckSize(count, ValuesOf(sweep.random()));
        CheckRandom(sweep.random());
        break;
      case v1::Sweep::STRATEGY_NOT_SET:
        checks.MissingKind("", v1::Sweep::descriptor()->FindOneofByName("strategy"),
                           "way to choose its trials");
        return {};
    }
    if (!valid_) return {};
    return MakeTrials(count);
  }

 private:
  void Add(std::string field, std::string description) {
    violations_.Add(std::move(field), std::move(description));
    valid_ = false;
  }

  void CheckThat(bool valid) { valid_ = valid_ && valid; }

  static int64_t CountOf(const v1::Sweep::Grid& grid) {
    int64_t count = 1;
    for (const v1::Sweep::GridParameter& parameter : grid.parameters())
      count = SaturatingMultiply(count, std::max(parameter.values_size(), 1));
    return count;
  }

  static int64_t ValuesOf(const v1::Sweep::Grid& grid) {
    int64_t values = 0;
    for (const v1::Sweep::GridParameter& parameter : grid.parameters())
      values += parameter.values_size();
    return values;
  }
  static int64_t ValuesOf(const v1::Sweep::Random& random) {
    int64_t values = 0;
    for (const Parameter& parameter : random.parameters())
      values += parameter.choice().values_size();
    return values;
  }

  // Every value is tried on a copy of the training, and every trial is one: that bounds the work,
  // whatever a client sends.
  void CheckSize(int64_t trials, int64_t values) {
    const auto copies = SaturatingAdd(std::clamp<int64_t>(trials, 0, limits::kTrials), values);
    const auto base_bytes = static_cast<int64_t>(base_.ByteSizeLong());
    if (SaturatingMultiply(copies, base_bytes) > limits::kTrialsBytes) TooLarge();
  }

  void TooLarge() {
    values_are_checked_ = false;
    Add("sweep", absl::StrCat("makes job files of more than ", FormatBytes(limits::kTrialsBytes),
                              " together; make fewer trials, or write the network shorter, with "
                              "repeat"));
  }

  template <typename Parameters>
  bool CheckParameters(const std::string& at, const Parameters& parameters) {
    if (parameters.empty()) Add(at, "is empty; a sweep changes at least one field");
    if (parameters.size() <= limits::kSweepParameters) return true;
    Add(at, absl::StrCat("has ", FormatCount(parameters.size()), " entries; at most ",
                         limits::kSweepParameters, " are taken"));
    return false;
  }

  void CheckGrid(const v1::Sweep::Grid& grid, int64_t count) {
    if (!CheckParameters("sweep.grid.parameters", grid.parameters())) return;
    if (count > limits::kTrials) {
      Add("sweep.grid", absl::StrCat("makes ", FormatCount(count), " trials; a sweep has at most ",
                                     FormatCount(limits::kTrials)));
    }
    for (int i = 0; i < grid.parameters_size(); ++i) {
      const v1::Sweep::GridParameter& parameter = grid.parameters(i);
      const std::string at = absl::StrCat("sweep.grid.parameters[", i, "]");
      const std::optional<FieldPlace> place = CheckPath(at, parameter.path());
      CheckValues(at, parameter.path(), place, parameter.values());
    }
  }

  void CheckRandom(const v1::Sweep::Random& random) {
    const FieldChecks checks("sweep.random", violations_);
    CheckThat(checks.Integer("trials", random.trials(), 1, limits::kTrials, "a number of trials"));
    if (!CheckParameters("sweep.random.parameters", random.parameters())) return;
    for (int i = 0; i < random.parameters_size(); ++i) {
      const Parameter& parameter = random.parameters(i);
      const std::string at = absl::StrCat("sweep.random.parameters[", i, "]");
      const std::optional<FieldPlace> place = CheckPath(at, parameter.path());
      CheckDistribution(at, parameter, place);
      whole_.push_back(place && IsWhole(*place));
    }
  }

  std::optional<FieldPlace> CheckPath(const std::string& at, const std::string& path) {
    const std::string field = at + ".path";
    if (!absl::StartsWith(path, "training.")) {
      Add(field, absl::StrCat("is ", Quote(path),
                              "; what a sweep changes begins with \"training.\", "
                              "such as training.optimizer.adam.learning_rate"));
      return std::nullopt;
    }
    for (const std::string& earlier : paths_) {
      if (earlier == path) {
        Add(field, absl::StrCat("is ", Quote(path), ", which an earlier parameter sets already"));
        return std::nullopt;
      }
      if (Contains(path, earlier)) {
        Add(field, absl::StrCat("is ", Quote(path),
                                ", which would undo what an earlier parameter "
                                "sets at ",
                                Quote(earlier), "; the longer path comes later"));
        return std::nullopt;
      }
    }
    paths_.push_back(path);
    absl::StatusOr<FieldPlace> place = FindField(base_, path);
    if (!place.ok()) {
      Add(field, absl::StrCat("is ", Quote(path), ": ", Shown(place.status())));
      return std::nullopt;
    }
    return *place;
  }

  void CheckValues(const std::string& at, const std::string& path,
                   const std::optional<FieldPlace>& place,
                   const google::protobuf::RepeatedPtrField<std::string>& values) {
    if (values.empty()) Add(at + ".values", "is empty; a parameter has at least one value");
    if (!place || !values_are_checked_) return;
    for (int i = 0; i < values.size(); ++i) {
      v1::JobSpec changed = base_;
      if (const absl::Status set = SetField(changed, path, values[i]); !set.ok())
        Add(absl::StrCat(at, ".values[", i, "]"), Shown(set));
    }
  }

  void CheckDistribution(const std::string& at, const Parameter& parameter,
                         const std::optional<FieldPlace>& place) {
    switch (parameter.distribution_case()) {
      case Parameter::kUniform:
        return CheckRange(at + ".uniform", parameter.uniform(), false, place);
      case Parameter::kLogUniform:
        return CheckRange(at + ".log_uniform", parameter.log_uniform(), true, place);
      case Parameter::kChoice:
        return CheckValues(at + ".choice", parameter.path(), place, parameter.choice().values());
      case Parameter::DISTRIBUTION_NOT_SET:
        FieldChecks(at, violations_)
            .MissingKind("", Parameter::descriptor()->FindOneofByName("distribution"),
                         "distribution");
        valid_ = false;
        return;
    }
  }

  void CheckRange(const std::string& at, const v1::Sweep::Range& range, bool log,
                  const std::optional<FieldPlace>& place) {
    bool finite = true;
    for (const auto& [name, value] : {std::pair("low", range.low()), {"high", range.high()}}) {
      if (std::isfinite(value)) continue;
      Add(absl::StrCat(at, ".", name),
          absl::StrCat("is ", FormatReal(value), "; a bound is finite"));
      finite = false;
    }
    if (!finite) return;
    if (log && range.low() <= 0) {
      Add(at + ".low", absl::StrCat("is ", FormatReal(range.low()),
                                    "; the lower bound of log_uniform is greater than 0"));
      return;
    }
    if (place && !IsWhole(*place) && !IsReal(*place)) {
      Add(at, absl::StrCat("draws numbers, but ", Quote(place->field->name()),
                           " is no single number; choose among values with choice"));
      return;
    }
    if (place && IsWhole(*place)) {
      CheckWholeRange(at, range);
    } else if (!(range.low() < range.high())) {
      Add(at + ".high", absl::StrCat("is ", FormatReal(range.high()), ", not greater than low, ",
                                     FormatReal(range.low())));
    }
  }

  void CheckWholeRange(const std::string& at, const v1::Sweep::Range& range) {
    if (std::abs(range.low()) > kLargestWhole || std::abs(range.high()) > kLargestWhole) {
      Add(at, absl::StrCat("is from ", FormatReal(range.low()), " to ", FormatReal(range.high()),
                           "; whole numbers are drawn from -2^53 to 2^53"));
    } else if (std::ceil(range.low()) > std::floor(range.high())) {
      Add(at, absl::StrCat("has no whole number from ", FormatReal(range.low()), " to ",
                           FormatReal(range.high())));
    }
  }

  // The values of trial number `trial`, from 0.
  std::vector<TrialSetting> SettingsOf(int64_t trial) const {
    std::vector<TrialSetting> settings;
    const v1::Sweep& sweep = spec_.sweep();
    if (sweep.has_random()) {
      for (int i = 0; i < sweep.random().parameters_size(); ++i) {
        const Parameter& parameter = sweep.random().parameters(i);
        settings.push_back({parameter.path(), DrawValue(parameter, whole_[static_cast<size_t>(i)],
                                                        sweep.seed(), trial, i)});
      }
      return settings;
    }
    // The last parameter is the lowest digit.
    for (int i = sweep.grid().parameters_size() - 1; i >= 0; --i) {
      const v1::Sweep::GridParameter& parameter = sweep.grid().parameters(i);
      settings.push_back(
          {parameter.path(), parameter.values(static_cast<int>(trial % parameter.values_size()))});
      trial /= parameter.values_size();
    }
    std::reverse(settings.begin(), settings.end());
    return settings;
  }

  std::vector<PlannedTrial> MakeTrials(int64_t count) {
    const std::string name = BaseName(spec_.name());
    std::vector<PlannedTrial> trials;
    int64_t bytes = 0;
    for (int64_t i = 0; i < count; ++i) {
      PlannedTrial& trial = trials.emplace_back();
      trial.settings = SettingsOf(i);
      trial.spec = base_;
      trial.spec.set_name(absl::StrCat(name, "/", i + 1));
      if (!Apply(trial)) return {};
      bytes += static_cast<int64_t>(trial.spec.ByteSizeLong());
      if (bytes > limits::kTrialsBytes) {
        TooLarge();
        return {};
      }
    }
    return trials;
  }

  // Each value was accepted on its own; together they may not fit.
  bool Apply(PlannedTrial& trial) {
    const std::string at = spec_.sweep().has_grid() ? "sweep.grid" : "sweep.random";
    for (size_t i = 0; i < trial.settings.size(); ++i) {
      const TrialSetting& setting = trial.settings[i];
      if (!CheckKeepsEarlier(absl::StrCat(at, ".parameters[", i, "].path"), trial, i)) return false;
      const absl::Status set = SetField(trial.spec, setting.path, setting.value);
      if (set.ok()) continue;
      Add(absl::StrCat(at, ".parameters[", i, "]"),
          absl::StrCat("cannot be set to ", Quote(setting.value),
                       " after the parameters before it: ", Shown(set)));
      return false;
    }
    for (size_t i = 0; i < trial.settings.size(); ++i) {
      if (HasField(trial.spec, trial.settings[i].path)) continue;
      Add(absl::StrCat(at, ".parameters[", i, "].path"),
          absl::StrCat("is ", Quote(trial.settings[i].path),
                       ", which a later parameter takes away, as by choosing another kind"));
      return false;
    }
    return true;
  }

  // Setting `index`, about to be applied, may add to a block that an earlier one has set, but not
  // choose another kind within it: the trial would not be what its settings say.
  bool CheckKeepsEarlier(const std::string& field, const PlannedTrial& trial, size_t index) {
    const std::string& path = trial.settings[index].path;
    for (size_t i = 0; i < index; ++i) {
      const TrialSetting& earlier = trial.settings[i];
      if (!Contains(earlier.path, path)) continue;
      const std::string replaced = ReplacedMember(trial.spec, path);
      if (replaced.empty() || !Contains(earlier.path, replaced)) continue;
      Add(field, absl::StrCat("is ", Quote(path), ", which takes away ", Quote(replaced),
                              ", which an earlier parameter sets with ", Quote(earlier.value)));
      return false;
    }
    return true;
  }

  const v1::JobSpec& spec_;
  ViolationList& violations_;
  v1::JobSpec base_;
  bool valid_ = true;
  bool values_are_checked_ = true;
  std::vector<std::string> paths_;
  std::vector<bool> whole_;  // of the random parameters
};

// A whole number from 0 to count - 1, each as likely as the others but for 2^-64 of a chance.
uint64_t UniformBelow(uint64_t bits, uint64_t count) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<uint64_t>(Wide{bits} * count >> 64);
}

// [0, 1), in steps of 2^-53.
double UniformReal(uint64_t bits) { return static_cast<double>(bits >> 11) * 0x1p-53; }

// low <= x < high. Rounding may have left the interval.
double Clamped(double x, double low, double high) {
  return std::clamp(x, low, std::nextafter(high, low));
}

double LogUniformReal(double low, double high, uint64_t bits) {
  const double log_low = std::log(low);
  const double log_high = std::log(high);
  return Clamped(std::exp(log_low + (log_high - log_low) * UniformReal(bits)), low, high);
}

std::string WholeText(double value) { return absl::StrCat(static_cast<int64_t>(value)); }

}  // namespace

std::string DrawValue(const v1::Sweep::RandomParameter& parameter, bool whole, uint64_t seed,
                      int64_t trial, int index) {
  const RandomStream stream{seed, RandomPurpose::kSweep, static_cast<uint32_t>(index),
                            static_cast<uint64_t>(trial)};
  const std::array<uint32_t, 4> words = stream.Block(0);
  const uint64_t bits = uint64_t{words[0]} << 32 | words[1];
  if (parameter.has_choice()) {
    const auto count = static_cast<uint64_t>(parameter.choice().values_size());
    return parameter.choice().values(static_cast<int>(UniformBelow(bits, count)));
  }
  const bool log = parameter.has_log_uniform();
  const v1::Sweep::Range& range = log ? parameter.log_uniform() : parameter.uniform();
  if (whole) {
    const double low = std::ceil(range.low());
    const double high = std::floor(range.high());
    if (log) return WholeText(std::floor(LogUniformReal(low, high + 1, bits)));
    const auto count = static_cast<uint64_t>(high - low) + 1;
    return absl::StrCat(static_cast<int64_t>(low) +
                        static_cast<int64_t>(UniformBelow(bits, count)));
  }
  if (log) return FormatReal(LogUniformReal(range.low(), range.high(), bits));
  // Not low + (high - low) * u, whose difference may overflow.
  const double u = UniformReal(bits);
  return FormatReal(Clamped(range.low() * (1 - u) + range.high() * u, range.low(), range.high()));
}

bool LargerIsBetter(const v1::Sweep& sweep, const std::string& monitor) {
  if (sweep.mode() == v1::Sweep::AUTO) return absl::EndsWith(monitor, "accuracy");
  return sweep.mode() == v1::Sweep::MAX;
}

std::vector<PlannedTrial> PlanTrials(const v1::JobSpec& spec, ViolationList& violations) {
  return Planner(spec, violations).Plan();
}

}  // namespace anneal
