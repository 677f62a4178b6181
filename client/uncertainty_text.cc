#include "client/uncertainty_text.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdio>

#include "client/prediction_text.h"
#include "client/reliability_diagram.h"

namespace anneal::client {
namespace {

using MeasureSummary = v1::SetMeasures::MeasureSummary;

std::string Upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return text;
}

void AddScoreColumns(Table& table) {
  for (const char* header : {"ACCURACY", "STD ERROR", "NLL", "BRIER", "ECE", "AURC"})
    table.AddColumn(header, Table::Align::kRight);
}

void AddScores(const v1::Uncertainty& uncertainty, const Answers& answers,
               std::vector<Table::Cell>& row) {
  const v1::SetMeasures& measures = *answers.measures;
  for (const double value :
       {measures.accuracy(), ShareError(measures.accuracy(), uncertainty.set().stored()),
        measures.nll(), measures.brier(), measures.ece()}) {
    row.emplace_back(FormatMetric(value));
  }
  row.emplace_back(measures.has_aurc() ? FormatMetric(measures.aurc()) : "-");
}

// "95 %", "99.5 %"
std::string Percent(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g %%", share * 100);
  return text;
}

std::string ScoreTable(const v1::Uncertainty& uncertainty, const Style& style) {
  Table table;
  table.AddColumn("");
  AddScoreColumns(table);
  for (const Answers& answers : AllAnswers(uncertainty)) {
    std::vector<Table::Cell> row{std::string(answers.name)};
    AddScores(uncertainty, answers, row);
    table.AddRow(std::move(row));
  }
  return table.ToString(style);
}

std::string CoverageTable(const v1::Uncertainty& uncertainty, const std::string& rank_by,
                          const Style& style) {
  // Without dropout there are none where the ranking compares samples.
  std::vector<Answers> all = AllAnswers(uncertainty);
  std::erase_if(all, [](const Answers& answers) { return answers.measures->coverages().empty(); });
  if (all.empty()) return "";
  Table table;
  table.AddColumn("COVERAGE", Table::Align::kRight);
  table.AddColumn("IMAGES", Table::Align::kRight);
  int rows = all.front().measures->coverages_size();
  for (const Answers& answers : all) {
    table.AddColumn(Upper(std::string(answers.name)), Table::Align::kRight);
    table.AddColumn("ERROR", Table::Align::kRight);
    rows = std::min(rows, answers.measures->coverages_size());
  }
  for (int i = 0; i < rows; ++i) {
    const v1::SetMeasures::Coverage& share = all.front().measures->coverages(i);
    std::vector<Table::Cell> row{Percent(share.coverage()), FormatCount(share.images())};
    for (const Answers& answers : all) {
      const double accuracy = answers.measures->coverages(i).accuracy();
      row.emplace_back(FormatMetric(accuracy));
      row.emplace_back(FormatMetric(1 - accuracy));
    }
    table.AddRow(std::move(row));
  }
  return "\n" +
         Paragraph("Accuracy where only the surest images are answered, by " + Escape(rank_by),
                   style) +
         table.ToString(style);
}

const MeasureSummary* FindMeasure(const v1::SetMeasures& measures, const std::string& name) {
  for (const MeasureSummary& summary : measures.measures())
    if (summary.name() == name) return &summary;
  return nullptr;
}

std::string MeasureTable(const v1::Uncertainty& uncertainty, const Style& style) {
  const std::vector<Answers> all = AllAnswers(uncertainty);
  const Answers& main = all.back();
  if (main.measures->measures().empty()) return "";
  Table table;
  table.AddColumn("MEASURE");
  for (const char* header : {"RIGHT", "WRONG", "AUROC"})
    table.AddColumn(header, Table::Align::kRight);
  if (all.size() > 1) table.AddColumn("AUROC WITHOUT DROPOUT", Table::Align::kRight);
  const auto text = [](bool known, double value) { return known ? FormatMetric(value) : "-"; };
  for (const MeasureSummary& summary : main.measures->measures()) {
    std::vector<Table::Cell> row{summary.name(), text(summary.has_right(), summary.right()),
                                 text(summary.has_wrong(), summary.wrong()),
                                 text(summary.has_auroc(), summary.auroc())};
    if (all.size() > 1) {
      const MeasureSummary* other = FindMeasure(*all.front().measures, summary.name());
      row.emplace_back(
          text(other != nullptr && other->has_auroc(), other == nullptr ? 0 : other->auroc()));
    }
    table.AddRow(std::move(row));
  }
  return "\n" +
         Paragraph("Mean over right and wrong answers" +
                       (all.size() > 1 ? " (" + std::string(main.name) + ")" : std::string()) +
                       "; AUROC: how well it tells wrong from right, 0.5 not at all",
                   style) +
         table.ToString(style);
}

}  // namespace

std::vector<Answers> AllAnswers(const v1::Uncertainty& uncertainty) {
  std::vector<Answers> all = {{"deterministic", kWithoutDropout, &uncertainty.deterministic()}};
  if (uncertainty.has_monte_carlo())
    all.push_back({"monte_carlo", kWithDropout, &uncertainty.monte_carlo()});
  return all;
}

double ShareError(double share, int64_t images) {
  if (images <= 0) return std::nan("");
  return std::sqrt(std::max(0.0, share * (1 - share)) / static_cast<double>(images));
}

std::string UncertaintyComparison(const std::vector<v1::Uncertainty>& uncertainties,
                                  const Style& style) {
  Table table;
  table.AddColumn("JOB", Table::Align::kRight);
  table.AddColumn("MODEL", Table::Align::kRight);
  table.AddColumn("ANSWERS");
  AddScoreColumns(table);
  for (const v1::Uncertainty& uncertainty : uncertainties) {
    for (const Answers& answers : AllAnswers(uncertainty)) {
      std::vector<Table::Cell> row{uncertainty.set().job_id(), uncertainty.set().model_job_id(),
                                   std::string(answers.name)};
      AddScores(uncertainty, answers, row);
      table.AddRow(std::move(row));
    }
  }
  return table.ToString(style);
}

std::string UncertaintyText(const v1::Uncertainty& uncertainty, const std::string& rank_by,
                            const Style& style) {
  return SetText(uncertainty.set()) + "\n\n" + ScoreTable(uncertainty, style) +
         CoverageTable(uncertainty, rank_by, style) + MeasureTable(uncertainty, style) +
         ReliabilityDiagram(AllAnswers(uncertainty), style);
}

std::string UncertaintyCsv(const std::vector<v1::Uncertainty>& uncertainties) {
  std::string text = "job,kind,measure,value\n";
  for (const v1::Uncertainty& uncertainty : uncertainties) {
    for (const Answers& answers : AllAnswers(uncertainty)) {
      const std::string begin =
          CsvField(Escape(uncertainty.set().job_id())) + "," + std::string(answers.id) + ",";
      const auto add = [&](const std::string& measure, const std::string& value) {
        text += begin + CsvField(Escape(measure)) + "," + value + "\n";
      };
      const v1::SetMeasures& measures = *answers.measures;
      add("images", std::to_string(uncertainty.set().stored()));
      add("accuracy", FormatExact(measures.accuracy()));
      add("nll", FormatExact(measures.nll()));
      add("brier", FormatExact(measures.brier()));
      add("ece", FormatExact(measures.ece()));
      if (measures.has_aurc()) add("aurc", FormatExact(measures.aurc()));
      for (const v1::SetMeasures::Coverage& coverage : measures.coverages()) {
        char share[32];
        std::snprintf(share, sizeof share, "%g", coverage.coverage());
        const std::string name = std::string("coverage_") + share;
        add(name + "/images", std::to_string(coverage.images()));
        add(name + "/accuracy", FormatExact(coverage.accuracy()));
        add(name + "/threshold", FormatExact(coverage.threshold()));
      }
      for (const MeasureSummary& summary : measures.measures()) {
        if (summary.has_right()) add(summary.name() + "/right", FormatExact(summary.right()));
        if (summary.has_wrong()) add(summary.name() + "/wrong", FormatExact(summary.wrong()));
        if (summary.has_auroc()) add(summary.name() + "/auroc", FormatExact(summary.auroc()));
      }
      for (int i = 0; i < measures.bins_size(); ++i) {
        const v1::SetMeasures::CalibrationBin& bin = measures.bins(i);
        const std::string name = "bin_" + std::to_string(i + 1);
        add(name + "/lower", FormatExact(bin.lower()));
        add(name + "/upper", FormatExact(bin.upper()));
        add(name + "/images", std::to_string(bin.images()));
        if (bin.images() == 0) continue;
        add(name + "/accuracy", FormatExact(bin.accuracy()));
        add(name + "/confidence", FormatExact(bin.confidence()));
      }
    }
  }
  return text;
}

}  // namespace anneal::client
