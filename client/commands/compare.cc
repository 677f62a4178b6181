#include <algorithm>
#include <set>

#include "anneal/v1/job_service.grpc.pb.h"
#include "client/chart.h"
#include "client/commands/commands.h"
#include "client/comparison.h"
#include "client/comparison_text.h"
#include "client/verdict_text.h"

namespace anneal::client {
namespace {

constexpr int32_t kPageSize = 10'000;
constexpr size_t kMaxJobs = kChartCurves;  // told apart in a chart

struct Options {
  std::vector<std::string> jobs;
  std::vector<std::string> metrics;
  std::string format;
  bool no_chart = false;
};

template <typename Value>
std::vector<Value> Distinct(const std::vector<Value>& values) {
  std::vector<Value> distinct;
  std::set<Value> seen;
  for (const Value& value : values) {
    if (seen.insert(value).second) distinct.push_back(value);
  }
  return distinct;
}

// All pages.
grpc::Status ListEpochs(Session& session, v1::ListEpochMetricsRequest request,
                        v1::ListEpochMetricsResponse& answer) {
  request.set_page_size(kPageSize);
  do {
    v1::ListEpochMetricsResponse page;
    const grpc::Status status =
        session.Call(&v1::JobService::Stub::ListEpochMetrics, request, &page);
    if (!status.ok()) return status;
    for (v1::EpochMetrics& epoch : *page.mutable_epochs()) *answer.add_epochs() = std::move(epoch);
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return grpc::Status::OK;
}

// A chart for each metric, a curve for each job.
void PrintCharts(Session& session, const std::vector<v1::Job>& jobs,
                 const v1::ListEpochMetricsResponse& answer,
                 const std::vector<std::string>& metrics) {
  const Style style = session.style();
  for (const std::string& name : metrics) {
    std::vector<Curve> curves;
    for (const v1::Job& job : jobs) {
      Curve curve{"job " + job.id(), {}};
      for (const v1::EpochMetrics& epoch : answer.epochs()) {
        if (epoch.job_id() != job.id()) continue;
        for (const v1::Metric& metric : epoch.metrics()) {
          if (metric.name() == name)
            curve.points.emplace_back(static_cast<double>(epoch.epoch()), metric.value());
        }
      }
      // One without points keeps its place: a job has the same mark and colour in every chart.
      curves.push_back(std::move(curve));
    }
    ChartOptions chart;
    chart.title = name;
    chart.x_label = "epoch";
    chart.width = std::clamp(style.columns - 1, 30, 100);
    const std::string text = RenderChart(curves, chart, style);
    session.out() << "\n"
                  << (text.empty() ? "no finite " + Escape(name) + " is stored of these jobs\n"
                                   : text);
  }
}

int RunCompare(Session& session, const Options& options) {
  const std::string format = !options.format.empty() ? options.format
                             : session.json()        ? "json"
                                                     : "table";
  const std::vector<std::string> ids = Distinct(options.jobs);
  if (ids.size() > kMaxJobs) {
    return session.UsageError(
        absl::InvalidArgumentError("compare: at most " + std::to_string(kMaxJobs) +
                                   " jobs at once, are " + std::to_string(ids.size())));
  }
  std::vector<v1::Job> jobs;
  v1::ListEpochMetricsRequest request;
  for (const std::string& id : ids) {
    v1::GetJobRequest get;
    get.set_id(Escape(id));
    const grpc::Status status =
        session.Call(&v1::JobService::Stub::GetJob, get, &jobs.emplace_back());
    if (!status.ok()) return session.Fail(status);
    request.add_job_ids(get.id());
    if (jobs.back().spec().has_prediction()) {
      session.err() << "job " << get.id() << " is a prediction, which has no epochs: "
                    << session.CommandLine("uncertainty " + get.id()) << "\n";
    }
  }
  std::vector<std::string> charts;
  for (const std::string& metric : Distinct(options.metrics)) charts.push_back(Escape(metric));
  std::vector<std::string> wanted = {"accuracy", "loss", "val_accuracy", "val_loss"};
  wanted.insert(wanted.end(), charts.begin(), charts.end());
  for (const std::string& metric : Distinct(wanted)) request.add_metrics(metric);
  v1::ListEpochMetricsResponse answer;
  if (const grpc::Status status = ListEpochs(session, request, answer); !status.ok())
    return session.Fail(status);

  const v1::Comparison comparison = Compare(jobs, answer.epochs());
  if (format == "json") {
    session.PrintJson(comparison);
  } else if (format == "csv") {
    session.out() << ComparisonCsv(comparison);
  } else {
    const Style style = session.style();
    if (charts.empty()) {
      for (const std::string& metric : {comparison.loss_metric(), comparison.accuracy_metric()}) {
        if (!metric.empty()) charts.push_back(metric);
      }
    }
    session.out() << ComparisonTables(comparison, style);
    if (!options.no_chart) PrintCharts(session, jobs, answer, charts);
    session.out() << "\n" << VerdictText(comparison, style);
  }
  return kExitDone;
}

}  // namespace

void AddCompare(CLI::App& app, Action& action) {
  auto [command, options] = AddVerb<Options>(
      app, action, "compare",
      "Compares jobs: which model is better, which converges faster, what an epoch costs",
      RunCompare);
  command->add_option("JOB", options->jobs, "Ids of jobs, at most 8")->required()->type_name("");
  command
      ->add_option("--metric", options->metrics,
                   "Draws this one instead of loss and accuracy; may be repeated. The tables stay")
      ->type_name("NAME")
      ->expected(1)
      ->take_all()
      ->allow_extra_args(false);
  command
      ->add_option(
          "--format", options->format,
          "table (the default) with charts and a verdict; csv; json, as anneal.v1.Comparison")
      ->type_name("table|csv|json")
      ->check(CLI::IsMember(std::set<std::string>{"table", "csv", "json"}));
  command->add_flag("--no-chart", options->no_chart, "Only the tables and the verdict");
  command->footer(
      "Compared are val_loss and val_accuracy; loss and accuracy of the training where a job was "
      "not\n"
      "validated. A loss includes the penalties of regularizers. NaN and infinities never count.\n"
      "Seconds are the stored epochs' own: training, shuffling and augmentation included, and\n"
      "validation; not the queue, reading the data set, the test, or epochs lost to a restart. A "
      "job\n"
      "reaches another's best in the first epoch that is as good. Jobs that run are compared by\n"
      "what is stored so far. Parameters need the job's data set.\n"
      "\n"
      "csv has a line for each job and each target, itself included; the last four columns say "
      "how\n"
      "long the job took to reach the target's best; empty: not known, or never. Its columns:\n"
      "  job,target,name,state,epochs,parameters,seconds_per_epoch,total_seconds,\n"
      "  loss_metric,best_loss,best_loss_epoch,accuracy_metric,best_accuracy,best_accuracy_epoch,\n"
      "  test_accuracy,loss_reach_epochs,loss_reach_seconds,accuracy_reach_epochs,\n"
      "  accuracy_reach_seconds\n"
      "\n"
      "Examples:\n  anneal compare 7 8\n  anneal compare 7 8 9 --metric val_accuracy --metric "
      "loss\n"
      "  anneal compare 7 8 --format csv > comparison.csv");
}

}  // namespace anneal::client
