#include <algorithm>
#include <map>
#include <set>

#include "anneal/v1/job_service.grpc.pb.h"
#include "client/chart.h"
#include "client/commands/commands.h"
#include "client/progress.h"

namespace anneal::client {
namespace {

constexpr int32_t kPageSize = 10'000;

struct Options {
  std::vector<std::string> jobs;
  std::vector<std::string> metrics;
  std::string format;
  bool no_chart = false;
};

// Reading order, over all epochs.
std::vector<std::string> MetricNames(const v1::ListEpochMetricsResponse& answer) {
  std::set<std::string> seen;
  google::protobuf::RepeatedPtrField<v1::Metric> all;
  for (const v1::EpochMetrics& epoch : answer.epochs()) {
    for (const v1::Metric& metric : epoch.metrics()) {
      if (seen.insert(metric.name()).second) *all.Add() = metric;
    }
  }
  std::vector<std::string> names;
  for (const v1::Metric& metric : OrderMetrics(all)) names.push_back(metric.name());
  return names;
}

const v1::Metric* FindMetric(const v1::EpochMetrics& epoch, const std::string& name) {
  for (const v1::Metric& metric : epoch.metrics()) {
    if (metric.name() == name) return &metric;
  }
  return nullptr;
}

void PrintCsv(Session& session, const v1::ListEpochMetricsResponse& answer) {
  session.out() << "job,epoch,metric,value\n";
  for (const v1::EpochMetrics& epoch : answer.epochs()) {
    for (const v1::Metric& metric : epoch.metrics()) {
      session.out() << CsvField(Escape(epoch.job_id())) << "," << epoch.epoch() << ","
                    << CsvField(Escape(metric.name())) << "," << FormatExact(metric.value())
                    << "\n";
    }
  }
}

void PrintTable(Session& session, const v1::ListEpochMetricsResponse& answer,
                const std::vector<std::string>& names, bool several_jobs) {
  Table table;
  if (several_jobs) table.AddColumn("JOB", Table::Align::kRight);
  table.AddColumn("EPOCH", Table::Align::kRight);
  for (const std::string& name : names) table.AddColumn(Escape(name), Table::Align::kRight);
  table.AddColumn("TIME", Table::Align::kRight);
  for (const v1::EpochMetrics& epoch : answer.epochs()) {
    std::vector<Table::Cell> row;
    if (several_jobs) row.emplace_back(epoch.job_id());
    row.emplace_back(std::to_string(epoch.epoch()));
    for (const std::string& name : names) {
      const v1::Metric* metric = FindMetric(epoch, name);
      row.emplace_back(metric == nullptr ? "" : FormatMetric(metric->value()));
    }
    row.emplace_back(epoch.duration_us() > 0 ? FormatDuration(epoch.duration_us()) : "");
    table.AddRow(std::move(row));
  }
  session.out() << table.ToString(session.style());
}

// One chart for a metric and its val_ twin; a curve for each job and metric.
void PrintCharts(Session& session, const v1::ListEpochMetricsResponse& answer,
                 const std::vector<std::string>& names, bool several_jobs) {
  const Style style = session.style();
  std::vector<std::string> bases;
  for (const std::string& name : names) {
    const std::string base = name.starts_with("val_") ? name.substr(4) : name;
    if (std::find(bases.begin(), bases.end(), base) == bases.end()) bases.push_back(base);
  }
  std::vector<std::string> jobs;
  for (const v1::EpochMetrics& epoch : answer.epochs()) {
    if (jobs.empty() || jobs.back() != epoch.job_id()) jobs.push_back(epoch.job_id());
  }
  for (const std::string& base : bases) {
    std::vector<Curve> curves;
    for (const std::string& job : jobs) {
      for (const std::string& name : {base, "val_" + base}) {
        Curve curve{several_jobs ? "job " + job + " " + name : name, {}};
        for (const v1::EpochMetrics& epoch : answer.epochs()) {
          if (epoch.job_id() != job) continue;
          if (const v1::Metric* metric = FindMetric(epoch, name); metric != nullptr) {
            curve.points.emplace_back(static_cast<double>(epoch.epoch()), metric->value());
          }
        }
        if (!curve.points.empty()) curves.push_back(std::move(curve));
      }
    }
    ChartOptions chart;
    chart.title = curves.size() == 1 ? curves[0].name : base;
    chart.x_label = "epoch";
    chart.width = std::clamp(style.columns - 1, 30, 100);
    const std::string text = RenderChart(curves, chart, style);
    if (!text.empty()) session.out() << "\n" << text;
  }
}

// Says which of the jobs never have epochs, and what to ask instead. Where the daemon does not
// answer it says nothing.
void PrintJobsWithoutEpochs(Session& session, const v1::ListEpochMetricsRequest& request) {
  for (const std::string& id : request.job_ids()) {
    v1::GetJobRequest get;
    get.set_id(id);
    v1::Job job;
    if (!session.Call(&v1::JobService::Stub::GetJob, get, &job).ok()) continue;
    if (job.spec().has_sweep()) {
      session.out() << "job " << id << " is a sweep, its trials have epochs: "
                    << session.CommandLine("jobs --sweep " + id) << "\n";
    } else if (job.spec().has_lr_range_test()) {
      session.out() << "job " << id << " is a learning-rate range test: "
                    << session.CommandLine("lr-find --job " + id) << "\n";
    } else if (job.spec().has_prediction()) {
      session.out() << "job " << id
                    << " is a prediction: " << session.CommandLine("uncertainty " + id) << ", "
                    << session.CommandLine("predictions " + id) << "\n";
    }
  }
}

int RunMetrics(Session& session, const Options& options) {
  const std::string format = !options.format.empty() ? options.format
                             : session.json()        ? "json"
                                                     : "table";
  v1::ListEpochMetricsRequest request;
  std::set<std::string> distinct;
  for (const std::string& job : options.jobs) {
    if (distinct.insert(job).second) request.add_job_ids(Escape(job));
  }
  for (const std::string& metric : options.metrics) request.add_metrics(Escape(metric));
  request.set_page_size(kPageSize);
  v1::ListEpochMetricsResponse answer;
  do {
    v1::ListEpochMetricsResponse page;
    const grpc::Status status =
        session.Call(&v1::JobService::Stub::ListEpochMetrics, request, &page);
    if (!status.ok()) return session.Fail(status);
    for (v1::EpochMetrics& epoch : *page.mutable_epochs()) *answer.add_epochs() = std::move(epoch);
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());

  if (format == "json") {
    session.PrintJson(answer);
  } else if (format == "csv") {
    PrintCsv(session, answer);
  } else if (answer.epochs().empty()) {
    session.out() << "no finished epochs\n";
    PrintJobsWithoutEpochs(session, request);
  } else {
    const std::vector<std::string> names = MetricNames(answer);
    const bool several_jobs = request.job_ids_size() > 1;
    PrintTable(session, answer, names, several_jobs);
    if (!options.no_chart) PrintCharts(session, answer, names, several_jobs);
  }
  return kExitDone;
}

}  // namespace

void AddMetrics(CLI::App& app, Action& action) {
  auto [command, options] = AddVerb<Options>(
      app, action, "metrics", "Prints and draws what was measured in every epoch", RunMetrics);
  command->add_option("JOB", options->jobs, "Ids of jobs")->required()->type_name("");
  command
      ->add_option("--metric", options->metrics, "Only this one, such as val_loss; may be repeated")
      ->type_name("NAME")
      ->expected(1)
      ->take_all()
      ->allow_extra_args(false);
  command
      ->add_option("--format", options->format,
                   "table (the default) with a chart; csv with the columns job,epoch,metric,value "
                   "at full precision; json")
      ->type_name("table|csv|json")
      ->check(CLI::IsMember(std::set<std::string>{"table", "csv", "json"}));
  command->add_flag("--no-chart", options->no_chart, "Only the table");
  command->footer(
      "Examples:\n  anneal metrics 7\n  anneal metrics 7 8 --metric val_accuracy\n  anneal metrics "
      "7 --format csv > 7.csv");
}

}  // namespace anneal::client
