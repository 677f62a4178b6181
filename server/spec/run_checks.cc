#include "server/spec/run_checks.h"

#include <algorithm>
#include <limits>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/spec/defaults.h"
#include "server/spec/field_checks.h"
#include "server/spec/limits.h"
#include "server/spec/monitor_checks.h"
#include "server/spec/text.h"

namespace anneal {
namespace {

constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

void CheckEarlyStopping(const FieldChecks& checks, const v1::TrainingSpec& training) {
  const v1::EarlyStopping& stopping = training.early_stopping();
  CheckMonitor(checks, defaults::Monitor(stopping), stopping.monitor().empty(), training);
  checks.Real("min_delta", stopping.min_delta(), kNotNegative, "a smallest improvement");
  checks.Integer("patience", stopping.patience(), 0, kNoLimit, "a patience");
  checks.Enum("mode", stopping.mode(), v1::EarlyStopping::Mode_descriptor());
  checks.Integer("start_from_epoch", stopping.start_from_epoch(), 0, kNoLimit, "a first epoch");
}

void CheckDiagnostics(const FieldChecks& checks, const v1::Diagnostics& diagnostics) {
  checks.Integer("samples", defaults::Samples(diagnostics), 1, kNoLimit, "the number of samples");
  checks.In("sparsity")
      .Real("threshold", diagnostics.sparsity().threshold(), kNotNegative, "a threshold");
}

// "cuda:" and a number of at most three digits without a leading zero.
bool IsCudaDevice(const std::string& device) {
  if (!absl::StartsWith(device, "cuda:")) return false;
  const std::string number = device.substr(5);
  if (number.empty() || number.size() > 3 || (number.size() > 1 && number[0] == '0')) return false;
  return std::all_of(number.begin(), number.end(),
                     [](char c) { return absl::ascii_isdigit(static_cast<unsigned char>(c)); });
}

}  // namespace

void CheckDevice(const FieldChecks& checks, const std::string& device) {
  if (device.empty() || device == "auto" || device == "cpu" || IsCudaDevice(device)) return;
  checks.Add("device", absl::StrCat("is ", Quote(device),
                                    "; a device is auto, cpu, or cuda:N such as cuda:0"));
}

void CheckRun(const v1::TrainingSpec& training, ViolationList& violations) {
  const FieldChecks checks("training", violations);
  checks.Integer("batch_size", defaults::BatchSize(training), 1, limits::kBatchSize,
                 "a batch size");
  checks.Integer("epochs", defaults::Epochs(training), 1, limits::kEpochs, "the number of epochs");
  if (training.has_early_stopping()) CheckEarlyStopping(checks.In("early_stopping"), training);
  if (training.has_diagnostics())
    CheckDiagnostics(checks.In("diagnostics"), training.diagnostics());
  CheckDevice(checks, training.device());
}

}  // namespace anneal
