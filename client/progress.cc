#include "client/progress.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <tuple>
#include <utility>

namespace anneal::client {
namespace {

// Sorts as OrderMetrics promises.
std::tuple<int, int, std::string> ReadingOrder(const std::string& name) {
  std::string_view base = name;
  int group = 0;
  if (base.starts_with("val_")) {
    group = 1;
    base.remove_prefix(4);
  } else if (base.starts_with("test_")) {
    group = 2;
    base.remove_prefix(5);
  }
  return {group, base == "loss" ? 0 : base == "accuracy" ? 1 : 2, name};
}

std::string EpochLabel(int64_t epoch, int64_t epochs) {
  std::string number = std::to_string(epoch);
  if (epochs <= 0) return "epoch " + number;
  const std::string total = std::to_string(epochs);
  if (number.size() < total.size()) number.insert(0, total.size() - number.size(), ' ');
  return "epoch " + number + "/" + total;
}

std::string MetricText(const v1::Metric& metric) {
  return Escape(metric.name()) + " " + FormatMetric(metric.value());
}

std::string BatchesText(const v1::Progress& progress) {
  return std::to_string(progress.batch()) + "/" + std::to_string(progress.batches());
}

// `head`, then how far the batches are, `done` in words; shortened as ProgressLine promises.
std::string LiveLine(const std::string& head, const std::string& done, const v1::Progress& progress,
                     const Style& style) {
  const int columns = std::max(1, style.columns - 1);
  if (progress.epoch() == 0) return Shorten("loading data", columns, style);
  std::vector<std::string> metrics;
  for (const v1::Metric& metric : OrderMetrics(progress.metrics()))
    metrics.push_back(MetricText(metric));
  std::string rate;
  if (progress.samples_per_second() > 0 && progress.samples_per_second() < 9e18) {
    rate = FormatCount(static_cast<int64_t>(progress.samples_per_second() + 0.5)) + "/s";
  }
  std::string remaining;
  if (progress.remaining_us() > 0) remaining = "ETA " + FormatDuration(progress.remaining_us());

  const auto compose = [&](int bar_width, bool with_rate, size_t metric_count) {
    std::string line = head;
    if (bar_width > 0) line += " " + Bar(progress.batch(), progress.batches(), bar_width, style);
    line += " " + done;
    for (size_t i = 0; i < metric_count; ++i) line += "  " + metrics[i];
    if (with_rate && !rate.empty()) line += "  " + rate;
    if (!remaining.empty()) line += "  " + remaining;
    return line;
  };
  for (const int bar_width : {22, 12, 0}) {
    std::string line = compose(bar_width, true, metrics.size());
    if (DisplayWidth(line) <= columns) return line;
  }
  for (size_t count = metrics.size();; --count) {
    std::string line = compose(0, false, count);
    if (DisplayWidth(line) <= columns) return line;
    if (count == 0) return Shorten(line, columns, style);
  }
}

}  // namespace

std::vector<v1::Metric> OrderMetrics(
    const google::protobuf::RepeatedPtrField<v1::Metric>& metrics) {
  std::vector<v1::Metric> ordered(metrics.begin(), metrics.end());
  std::stable_sort(ordered.begin(), ordered.end(), [](const v1::Metric& a, const v1::Metric& b) {
    return ReadingOrder(a.name()) < ReadingOrder(b.name());
  });
  return ordered;
}

std::string MetricsText(const google::protobuf::RepeatedPtrField<v1::Metric>& metrics) {
  std::string text;
  for (const v1::Metric& metric : OrderMetrics(metrics))
    text += (text.empty() ? "" : "  ") + MetricText(metric);
  return text;
}

std::string Bar(int64_t done, int64_t total, int width, const Style& style) {
  constexpr std::array<std::string_view, 8> kEighths = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const int inside = std::max(1, width - 2);
  const double share =
      total <= 0 ? 0 : std::clamp(static_cast<double>(done) / static_cast<double>(total), 0.0, 1.0);
  std::string bar = "[";
  int filled = 0;
  if (style.unicode) {
    const int eighths = static_cast<int>(share * inside * 8);
    for (; filled < eighths / 8; ++filled) bar += "█";
    if (eighths % 8 != 0) {
      bar += kEighths[static_cast<size_t>(eighths % 8)];
      ++filled;
    }
  } else {
    const int whole = static_cast<int>(share * inside);
    for (; filled < whole; ++filled) bar += "=";
    if (filled > 0 && filled < inside) bar.back() = '>';
  }
  bar.append(static_cast<size_t>(inside - filled), ' ');
  return bar + "]";
}

std::string ProgressLine(const v1::Progress& progress, const Style& style) {
  return LiveLine(EpochLabel(progress.epoch(), progress.epochs()), BatchesText(progress), progress,
                  style);
}

std::string RangeTestProgressLine(const v1::Progress& progress, const Style& style) {
  return LiveLine("range test", BatchesText(progress), progress, style);
}

std::string PredictionProgressLine(const v1::Progress& progress, const Style& style) {
  return LiveLine("images", FormatCount(progress.batch()) + "/" + FormatCount(progress.batches()),
                  progress, style);
}

std::string EpochLine(const v1::EpochMetrics& epoch, int64_t epochs) {
  std::string line = EpochLabel(epoch.epoch(), epochs);
  const std::string metrics = MetricsText(epoch.metrics());
  if (!metrics.empty()) line += "  " + metrics;
  if (epoch.duration_us() > 0) line += "  " + FormatDuration(epoch.duration_us());
  return line;
}

}  // namespace anneal::client
