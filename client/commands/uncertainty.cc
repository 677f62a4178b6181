#include <algorithm>
#include <set>

#include "anneal/v1/prediction_service.grpc.pb.h"
#include "client/commands/commands.h"
#include "client/prediction_text.h"
#include "client/uncertainty_text.h"
#include "client/uncertainty_verdict.h"

namespace anneal::client {
namespace {

constexpr char kDefaultRankBy[] = "confidence";  // the daemon's

struct Options {
  std::vector<std::string> jobs;
  int32_t bins = 0;
  std::string rank_by;
  std::string format;
};

void PrintText(Session& session, const std::vector<v1::Uncertainty>& uncertainties,
               const std::string& rank_by) {
  const Style style = session.style();
  if (uncertainties.size() > 1) {
    session.out() << UncertaintyComparison(uncertainties, style) << "\n"
                  << UncertaintyRanking(uncertainties, style);
  }
  for (const v1::Uncertainty& uncertainty : uncertainties) {
    if (uncertainties.size() > 1) session.out() << "\n";
    session.out() << UncertaintyText(uncertainty, rank_by, style) << "\n"
                  << UncertaintyVerdict(uncertainty, rank_by, style);
  }
}

int RunUncertainty(Session& session, const Options& options) {
  const std::string format = !options.format.empty() ? options.format
                             : session.json()        ? "json"
                                                     : "table";
  std::vector<v1::Uncertainty> uncertainties;
  std::set<std::string> known;  // as asked, and as answered
  for (const std::string& job : options.jobs) {
    v1::GetUncertaintyRequest request;
    request.set_job_id(Escape(job));
    if (known.contains(request.job_id())) continue;
    request.set_bins(options.bins);
    request.set_rank_by(Escape(options.rank_by));
    v1::Uncertainty uncertainty;
    const grpc::Status status =
        session.Call(&v1::PredictionService::Stub::GetUncertainty, request, &uncertainty);
    if (!status.ok()) return session.Fail(status);
    NoteResolved(session, request.job_id(), uncertainty.set());
    const bool is_new = known.insert(uncertainty.set().job_id()).second;
    known.insert(request.job_id());
    if (is_new) uncertainties.push_back(std::move(uncertainty));
  }
  if (format == "json") {
    for (const v1::Uncertainty& uncertainty : uncertainties) session.PrintJson(uncertainty, /*whole=*/true);
  } else if (format == "csv") {
    session.out() << UncertaintyCsv(uncertainties);
  } else {
    PrintText(session, uncertainties, options.rank_by.empty() ? kDefaultRankBy : options.rank_by);
  }
  return kExitDone;
}

}  // namespace

void AddUncertainty(CLI::App& app, Action& action) {
  auto [command, options] = AddVerb<Options>(
      app, action, "uncertainty",
      "Says how far predictions can be trusted: calibration, abstaining, which doubts are right",
      RunUncertainty);
  command
      ->add_option("JOB", options->jobs,
                   "Ids of predictions, or of trainings: then their newest predictions are meant")
      ->required()
      ->type_name("");
  command
      ->add_option("--bins", options->bins,
                   "Of the calibration error and the diagram (default 15, at most 1,000)")
      ->type_name("N");
  command
      ->add_option("--rank-by", options->rank_by,
                   "The measure by which the least sure images are left out (default confidence)")
      ->type_name("MEASURE");
  command
      ->add_option(
          "--format", options->format,
          "table (the default) with diagrams and a verdict; csv with the columns "
          "job,kind,measure,value at full precision; json, an anneal.v1.Uncertainty a line")
      ->type_name("table|csv|json")
      ->check(CLI::IsMember(std::set<std::string>{"table", "csv", "json"}));
  command->footer(
      "Of the answers without dropout and with Monte Carlo Dropout, over all images stored:\n"
      "  accuracy, with its binomial standard error\n"
      "  NLL     the mean of -log p(label)\n"
      "  Brier   the mean over images of the sum over classes of (p - [label])^2\n"
      "  ECE     the calibration error: how far accuracy is from confidence, over bins of "
      "confidence,\n"
      "          each by its share of the images\n"
      "  AURC    the mean error of the k surest images over all k: smaller where doubts are right\n"
      "  AUROC   of a measure: the probability that a wrong answer is in more doubt than a right\n"
      "          one. nll and brier know the label, the others do not\n"
      "Measures are confidence, entropy, expected_entropy, mutual_information, variation_ratio, "
      "margin, nll,\n"
      "brier. csv has the kinds deterministic and monte_carlo.\n"
      "Examples:\n"
      "  anneal uncertainty 8\n"
      "  anneal uncertainty 8 9 --rank-by mutual_information\n"
      "  anneal uncertainty 8 --format csv > 8.csv");
}

}  // namespace anneal::client
