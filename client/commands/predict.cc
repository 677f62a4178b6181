#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/commands/commands.h"
#include "client/submission.h"
#include "server/core/status_macros.h"

namespace anneal::client {
namespace {

struct Options {
  std::string job;
  std::optional<std::string> dataset;
  std::optional<std::string> split;
  std::optional<int64_t> samples;
  std::optional<uint64_t> seed;
  bool consistent_masks = false;
  bool keep_samples = false;
  std::optional<std::string> images;
  std::optional<std::string> device;
  std::optional<std::string> name;
  SubmissionOptions submission;
};

absl::Status ParseImages(const std::string& text, v1::ImageRange& range) {
  const size_t colon = text.find(':');
  int64_t begin = 0;
  int64_t count = 0;
  if (colon == std::string::npos || !absl::SimpleAtoi(text.substr(0, colon), &begin) ||
      !absl::SimpleAtoi(text.substr(colon + 1), &count)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--images ", Escape(text),
                     ": is not BEGIN:COUNT in whole numbers; the first hundred images are 0:100"));
  }
  range.set_begin(begin);
  range.set_count(count);
  return absl::OkStatus();
}

absl::Status SetText(const std::string& option, const std::optional<std::string>& given,
                     std::string* field) {
  if (!given) return absl::OkStatus();
  if (!IsUtf8(*given))
    return absl::InvalidArgumentError(absl::StrCat(option, ": ", Escape(*given), " is not UTF-8"));
  *field = *given;
  return absl::OkStatus();
}

// What is not given stays unset: the daemon has the defaults.
absl::StatusOr<v1::JobSpec> MakeSpec(const Options& options) {
  v1::JobSpec spec;
  v1::PredictionSpec& prediction = *spec.mutable_prediction();
  prediction.set_job_id(Escape(options.job));
  RETURN_IF_ERROR(SetText("--name", options.name, spec.mutable_name()));
  RETURN_IF_ERROR(SetText("--dataset", options.dataset, prediction.mutable_dataset()));
  RETURN_IF_ERROR(SetText("--split", options.split, prediction.mutable_split()));
  RETURN_IF_ERROR(SetText("--device", options.device, prediction.mutable_device()));
  if (options.images) RETURN_IF_ERROR(ParseImages(*options.images, *prediction.mutable_images()));
  if (options.samples) prediction.set_samples(*options.samples);
  if (options.seed) prediction.set_seed(*options.seed);
  prediction.set_consistent_masks(options.consistent_masks);
  prediction.set_keep_samples(options.keep_samples);
  return spec;
}

// CLI11 reads nothing as not given, 010 as 8, -1 as 2^64 - 1 and what is too large as the largest.
template <typename Number>
CLI::Validator IsWhole(const std::string& problem) {
  return CLI::Validator(
      [problem](const std::string& given) {
        Number number = 0;
        return absl::SimpleAtoi(given, &number) && absl::StrCat(number) == given ? std::string()
                                                                                 : problem;
      },
      "");
}

int RunPredict(Session& session, const Options& options) {
  absl::StatusOr<v1::JobSpec> spec = MakeSpec(options);
  if (!spec.ok()) return session.UsageError(spec.status());
  absl::StatusOr<v1::CreateJobRequest> request = MakeRequest(session, options.submission.queue);
  if (!request.ok()) return session.UsageError(request.status());
  *request->mutable_spec() = *std::move(spec);
  return Submit(session, *std::move(request), options.submission.watch);
}

}  // namespace

void AddPredict(CLI::App& app, Action& action) {
  auto [command, options] = AddVerb<Options>(
      app, action, "predict",
      "Queues a prediction with a trained network, Monte Carlo Dropout and all, and prints its id",
      RunPredict);
  command->add_option("JOB", options->job, "The id of a training that has SUCCEEDED")
      ->required()
      ->type_name("");
  command
      ->add_option(
          "--dataset", options->dataset,
          "The data set (default: the one it was trained on); another needs the same shape "
          "and number of classes")
      ->type_name("NAME");
  command
      ->add_option("--split", options->split,
                   "Its split (default: the training's test split, else test)")
      ->type_name("NAME");
  command
      ->add_option("--samples", options->samples,
                   "Passes with dropout active (default 100); 0: one pass without dropout")
      ->type_name("T")
      ->check(IsWhole<int64_t>("the number of samples is a whole number"));
  command->add_option("--seed", options->seed, "Of the dropout masks (default 0)")
      ->type_name("N")
      ->check(IsWhole<uint64_t>("a seed is a whole number from 0 to 2^64 - 1"));
  command->add_flag("--consistent-masks", options->consistent_masks,
                    "One mask a sample for all images, so that each sample is one network");
  command->add_flag("--keep-samples", options->keep_samples,
                    "Stores the class probabilities of every sample, not only mean and deviation");
  command
      ->add_option("--images", options->images,
                   "Only COUNT images from number BEGIN on, from 0 (default: the whole split)")
      ->type_name("BEGIN:COUNT");
  command
      ->add_option("--device", options->device,
                   "auto (the default: the first GPU if there is one), cpu, cuda:N")
      ->type_name("DEVICE");
  command->add_option("--name", options->name, "The job's name")->type_name("NAME");
  AddSubmissionOptions(*command, options->submission);
  command->footer(
      "Monte Carlo Dropout (Gal & Ghahramani 2016): every image is answered T times with dropout "
      "active,\n"
      "everything else as in inference; the spread of the answers tells what the network does not "
      "know.\n"
      "Without dropout each image is answered too. The same as a job file with a block\n"
      "  prediction { job_id: \"7\" samples: 100 }\n"
      "Examples:\n"
      "  anneal predict 7 --watch\n"
      "  anneal predict 7 --samples 500 --seed 1 --images 0:1000 --keep-samples\n"
      "  anneal uncertainty 8         # 8: the id that predict printed\n"
      "  anneal predictions 8 --sort entropy");
}

}  // namespace anneal::client
