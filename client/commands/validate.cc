#include <algorithm>
#include <vector>

#include "anneal/v1/job_service.grpc.pb.h"
#include "client/commands/commands.h"
#include "client/job_options.h"
#include "client/prediction_text.h"
#include "client/range_test_job.h"
#include "client/sweep_text.h"

namespace anneal::client {
namespace {

struct Options {
  JobOptions job;
  std::optional<std::string> lr_from;
};

std::vector<int64_t> Shape(const google::protobuf::RepeatedField<int64_t>& sides) {
  return {sides.begin(), sides.end()};
}

void PrintSummary(Session& session, const v1::NetworkSummary& summary) {
  Table table;
  table.AddColumn("LAYER");
  table.AddColumn("KIND");
  table.AddColumn("OUTPUT SHAPE");
  table.AddColumn("PARAMETERS", Table::Align::kRight);
  table.AddRow({"(input)", "", FormatShape(Shape(summary.input_shape())), ""});
  for (const v1::NetworkSummary::Row& row : summary.rows()) {
    table.AddRow({row.name(), row.kind(), FormatShape(Shape(row.output_shape())),
                  FormatCount(row.parameters())});
  }
  session.out() << table.ToString(session.style()) << "\n";

  Table totals;
  totals.AddColumn("");
  totals.AddColumn("");
  const int64_t all = summary.trainable_parameters() + summary.non_trainable_parameters();
  std::string parameters = FormatCount(all);
  if (summary.non_trainable_parameters() > 0) {
    parameters += " (" + FormatCount(summary.trainable_parameters()) + " trainable)";
  }
  totals.AddRow({"parameters", parameters});
  totals.AddRow(
      {"memory", FormatBytes(summary.memory_bytes()) + " (estimate, without the data set)"});
  totals.AddRow({"work", FormatCount(summary.flops_per_sample()) + " flops a sample, forward"});
  session.out() << totals.ToString(session.style());
}

// The first few; the JSON has all.
void PrintTrials(Session& session, const google::protobuf::RepeatedPtrField<v1::Trial>& trials) {
  constexpr int kShown = 20;
  session.out() << "\n" << FormatCount(trials.size()) << " trials\n";
  for (int i = 0; i < std::min(trials.size(), kShown); ++i) {
    session.out() << "trial " << trials[i].number() << "  " << SettingsText(trials[i].settings())
                  << "\n";
  }
  if (trials.size() > kShown) session.out() << "...\n";
}

// What the daemon made out of it; else what the file says.
void PrintPrediction(Session& session, const v1::JobSpec& spec,
                     const v1::CreateJobResponse& response) {
  v1::Job job;
  *job.mutable_spec() = spec;
  if (response.job().has_prediction()) *job.mutable_prediction() = response.job().prediction();
  Table table;
  table.AddColumn("");
  table.AddColumn("");
  table.AddRow({"kind", "prediction"});
  AddPredictionRows(job, table);
  session.out() << table.ToString(session.style());
}

int RunValidate(Session& session, const Options& options) {
  absl::StatusOr<v1::JobSpec> spec = LoadJob(session, options.job);
  if (!spec.ok()) return session.UsageError(spec.status());
  const int code = ApplyLearningRateFrom(session, options.lr_from, options.job.settings, *spec);
  if (code != kExitDone) return code;
  v1::CreateJobRequest request;
  *request.mutable_spec() = *spec;
  request.set_validate_only(true);
  v1::CreateJobResponse response;
  const grpc::Status status = session.Call(&v1::JobService::Stub::CreateJob, request, &response);
  if (!status.ok()) return session.Fail(status);
  if (session.json()) {
    session.PrintJson(response);
    return kExitDone;
  }
  if (spec->has_prediction()) PrintPrediction(session, *spec, response);
  if (response.has_summary() || !spec->has_prediction()) {
    if (spec->has_prediction()) session.out() << "\n";
    PrintSummary(session, response.summary());
  }
  if (!response.trials().empty()) PrintTrials(session, response.trials());
  session.out() << std::flush;
  PrintWarnings(session, response);
  return kExitDone;
}

}  // namespace

void AddValidate(CLI::App& app, Action& action) {
  auto [command, options] = AddVerb<Options>(
      app, action, "validate",
      "Judges a job file without queueing it: layers, parameters, memory, warnings, violations",
      RunValidate);
  AddJobOptions(*command, options->job);
  AddLearningRateFrom(*command, options->lr_from);
  command->footer("Example:\n  anneal validate recipe:cifar10-cnn --set training.batch_size=64");
}

}  // namespace anneal::client
