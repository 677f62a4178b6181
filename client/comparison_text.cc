#include "client/comparison_text.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "client/comparison.h"
#include "client/job_text.h"

namespace anneal::client {
namespace {

constexpr int kNameColumns = 20;
constexpr int64_t kUsPerSecond = 1'000'000;

using ComparedJob = v1::Comparison::ComparedJob;

std::vector<std::string> ComparedMetrics(const v1::Comparison& comparison) {
  std::vector<std::string> metrics;
  for (const std::string& metric : {comparison.loss_metric(), comparison.accuracy_metric()}) {
    if (!metric.empty()) metrics.push_back(metric);
  }
  return metrics;
}

std::string CostTable(const v1::Comparison& comparison, const Style& style) {
  Table table;
  table.AddColumn("JOB", Table::Align::kRight);
  table.AddColumn("NAME");
  table.AddColumn("STATE");
  table.AddColumn("EPOCHS", Table::Align::kRight);
  table.AddColumn("PARAMETERS", Table::Align::kRight);
  table.AddColumn("PER EPOCH", Table::Align::kRight);
  table.AddColumn("TOTAL", Table::Align::kRight);
  for (const ComparedJob& job : comparison.jobs()) {
    const bool trained = job.epochs() > 0;
    table.AddRow({job.id(),
                  Shorten(Escape(job.name()), kNameColumns, style),
                  {StateName(job.state()), StateColor(job.state())},
                  std::to_string(job.epochs()),
                  job.has_parameters() ? FormatCount(job.parameters()) : "-",
                  trained ? FormatDuration(job.mean_epoch_us()) : "-",
                  trained ? FormatDuration(job.total_us()) : "-"});
  }
  return table.ToString(style);
}

std::string BestTable(const v1::Comparison& comparison, const Style& style) {
  const std::vector<std::string> metrics = ComparedMetrics(comparison);
  const bool tested = std::any_of(comparison.jobs().begin(), comparison.jobs().end(),
                                  [](const ComparedJob& job) { return job.has_test_accuracy(); });
  if (metrics.empty() && !tested) return "";
  Table table;
  table.AddColumn("JOB", Table::Align::kRight);
  for (const std::string& metric : metrics) {
    table.AddColumn("BEST " + metric, Table::Align::kRight);
    table.AddColumn("EPOCH", Table::Align::kRight);
  }
  if (tested) table.AddColumn("test_accuracy", Table::Align::kRight);
  for (const ComparedJob& job : comparison.jobs()) {
    std::vector<Table::Cell> row{job.id()};
    for (const std::string& metric : metrics) {
      const v1::Comparison::Best* best = FindBest(comparison, job, metric);
      row.emplace_back(best == nullptr ? "-" : FormatMetric(best->value()));
      row.emplace_back(best == nullptr ? "-" : std::to_string(best->epoch()));
    }
    if (tested) row.emplace_back(job.has_test_accuracy() ? FormatMetric(job.test_accuracy()) : "-");
    table.AddRow(std::move(row));
  }
  return "\n" + table.ToString(style);
}

std::string ReachText(const v1::Comparison::Reach* reach) {
  if (reach == nullptr) return "-";
  if (!reach->reached()) return "never";
  return std::to_string(reach->epochs()) + (reach->epochs() == 1 ? " epoch, " : " epochs, ") +
         FormatDuration(reach->duration_us());
}

// A row for each job, a column for each target; as many targets a table as the screen has room for.
std::string ReachTables(const v1::Comparison& comparison, const std::string& metric,
                        const Style& style) {
  struct Column {
    std::string header;
    std::vector<std::string> cells;
    int width = 0;
  };
  std::vector<Column> columns;
  for (const ComparedJob& target : comparison.jobs()) {
    const v1::Comparison::Best* best = FindBest(comparison, target, metric);
    if (best == nullptr) continue;
    Column column{"job " + Escape(target.id()) + ": " + FormatMetric(best->value()), {}, 0};
    column.width = DisplayWidth(column.header);
    for (const ComparedJob& job : comparison.jobs()) {
      column.cells.push_back(ReachText(FindReach(comparison, metric, job.id(), target.id())));
      column.width = std::max(column.width, DisplayWidth(column.cells.back()));
    }
    columns.push_back(std::move(column));
  }
  constexpr std::string_view kRowHeader = "JOB";
  int first_width = static_cast<int>(kRowHeader.size());
  for (const ComparedJob& job : comparison.jobs())
    first_width = std::max(first_width, DisplayWidth(Escape(job.id())));

  std::string text;
  for (size_t begin = 0; begin < columns.size();) {
    int width = first_width;
    size_t end = begin;
    while (end < columns.size() &&
           (end == begin || width + 2 + columns[end].width <= style.columns)) {
      width += 2 + columns[end].width;
      ++end;
    }
    Table table;
    table.AddColumn(std::string(kRowHeader), Table::Align::kRight);
    for (size_t i = begin; i < end; ++i) table.AddColumn(columns[i].header, Table::Align::kRight);
    for (int row = 0; row < comparison.jobs_size(); ++row) {
      std::vector<Table::Cell> cells{comparison.jobs(row).id()};
      for (size_t i = begin; i < end; ++i)
        cells.emplace_back(columns[i].cells[static_cast<size_t>(row)]);
      table.AddRow(std::move(cells));
    }
    text += table.ToString(style);
    begin = end;
  }
  return text.empty() ? "" : "\nReaches the best " + metric + " of\n" + text;
}

// Exact: "18.200000".
std::string Seconds(int64_t duration_us) {
  const std::string fraction = std::to_string(duration_us % kUsPerSecond);
  return std::to_string(duration_us / kUsPerSecond) + "." + std::string(6 - fraction.size(), '0') +
         fraction;
}

}  // namespace

std::string ComparisonTables(const v1::Comparison& comparison, const Style& style) {
  std::string text = CostTable(comparison, style) + BestTable(comparison, style);
  if (comparison.jobs_size() > 1) {
    for (const std::string& metric : ComparedMetrics(comparison))
      text += ReachTables(comparison, metric, style);
  }
  return text;
}

std::string ComparisonCsv(const v1::Comparison& comparison) {
  std::string text = std::string(kComparisonCsvColumns) + "\n";
  const auto best_fields = [](const std::string& metric, const v1::Comparison::Best* best) {
    return "," + metric +
           (best == nullptr
                ? ",,"
                : "," + FormatExact(best->value()) + "," + std::to_string(best->epoch()));
  };
  const auto reach_fields = [](const v1::Comparison::Reach* reach) {
    return reach == nullptr || !reach->reached()
               ? std::string(",,")
               : "," + std::to_string(reach->epochs()) + "," + Seconds(reach->duration_us());
  };
  for (const ComparedJob& job : comparison.jobs()) {
    const std::string own =
        "," + CsvField(Escape(job.name())) + "," + StateName(job.state()) + "," +
        std::to_string(job.epochs()) + "," +
        (job.has_parameters() ? std::to_string(job.parameters()) : "") + "," +
        (job.epochs() > 0 ? Seconds(job.mean_epoch_us()) + "," + Seconds(job.total_us()) : ",") +
        best_fields(comparison.loss_metric(), job.has_best_loss() ? &job.best_loss() : nullptr) +
        best_fields(comparison.accuracy_metric(),
                    job.has_best_accuracy() ? &job.best_accuracy() : nullptr) +
        "," + (job.has_test_accuracy() ? FormatExact(job.test_accuracy()) : "");
    for (const ComparedJob& target : comparison.jobs()) {
      text += CsvField(Escape(job.id())) + "," + CsvField(Escape(target.id())) + own;
      for (const std::string& metric : {comparison.loss_metric(), comparison.accuracy_metric()})
        text += reach_fields(metric.empty() ? nullptr
                                            : FindReach(comparison, metric, job.id(), target.id()));
      text += "\n";
    }
  }
  return text;
}

}  // namespace anneal::client
