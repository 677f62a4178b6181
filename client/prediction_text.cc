#include "client/prediction_text.h"

#include <algorithm>
#include <tuple>
#include <vector>

namespace anneal::client {
namespace {

constexpr std::string_view kDeterministic = "deterministic_";

// Those without dropout last, then by how much people ask for them.
std::tuple<bool, int, std::string> ReadingOrder(const std::string& name) {
  std::string_view base = name;
  const bool deterministic = base.starts_with(kDeterministic);
  if (deterministic) base.remove_prefix(kDeterministic.size());
  const int rank = base == "accuracy" ? 0
                   : base == "nll"    ? 1
                   : base == "brier"  ? 2
                   : base == "ece"    ? 3
                                      : 4;
  return {deterministic, rank, name};
}

std::vector<v1::Metric> Ordered(const v1::TrainingResult& result) {
  std::vector<v1::Metric> metrics(result.metrics().begin(), result.metrics().end());
  std::stable_sort(metrics.begin(), metrics.end(), [](const v1::Metric& a, const v1::Metric& b) {
    return ReadingOrder(a.name()) < ReadingOrder(b.name());
  });
  return metrics;
}

std::string ImagesText(const v1::PredictionSet& set) {
  return (set.stored() == set.images() ? "" : FormatCount(set.stored()) + " of ") +
         FormatCount(set.images()) + (set.images() == 1 ? " image" : " images");
}

std::string SamplesText(int64_t samples) {
  if (samples == 0) return "none, without dropout";
  return FormatCount(samples);
}

std::string MasksText(bool consistent) {
  return consistent ? "consistent: one a sample for all images" : "drawn for each image";
}

// What was asked, where the daemon has not made out the rest.
void AddSpecRows(const v1::PredictionSpec& spec, Table& table) {
  table.AddRow({"model", "job " + spec.job_id()});
  if (!spec.dataset().empty()) table.AddRow({"data set", spec.dataset()});
  if (!spec.split().empty()) table.AddRow({"split", spec.split()});
  if (spec.has_images()) {
    table.AddRow({"images", FormatCount(spec.images().count()) + ", from number " +
                                std::to_string(spec.images().begin()) + " on"});
  }
  if (spec.has_samples()) table.AddRow({"samples", SamplesText(spec.samples())});
  if (HasDropout(spec)) {
    table.AddRow({"seed", std::to_string(spec.seed())});
    table.AddRow({"masks", MasksText(spec.consistent_masks())});
    if (spec.keep_samples()) table.AddRow({"keeps", "the probabilities of every sample"});
  }
}

}  // namespace

bool HasDropout(const v1::PredictionSpec& spec) {
  return !spec.has_samples() || spec.samples() != 0;
}

std::string ClassName(const v1::PredictionSet& set, int32_t index) {
  if (index < 0 || index >= set.class_names_size()) return std::to_string(index);
  return Escape(set.class_names(index));
}

std::string ShortHash(const std::string& sha256) { return sha256.substr(0, 12); }

std::string SetText(const v1::PredictionSet& set) {
  std::string text = "job " + Escape(set.job_id()) + " by job " + Escape(set.model_job_id()) +
                     " on " + Escape(set.dataset()) + "/" + Escape(set.split()) + ", " +
                     ImagesText(set) + (set.stored() == set.images() ? "" : " stored");
  if (set.begin() != 0) text += " from number " + std::to_string(set.begin()) + " on";
  if (set.samples() == 0) return text + ", " + kWithoutDropout;
  text += ", " + FormatCount(set.samples()) + (set.samples() == 1 ? " sample" : " samples") +
          ", seed " + std::to_string(set.seed());
  return text + (set.consistent_masks() ? ", consistent masks" : "");
}

void AddPredictionRows(const v1::Job& job, Table& table) {
  if (!job.has_prediction()) return AddSpecRows(job.spec().prediction(), table);
  const v1::PredictionSet& set = job.prediction();
  table.AddRow({"model", "job " + set.model_job_id()});
  if (!set.checkpoint_sha256().empty())
    table.AddRow({"checkpoint", "sha256 " + ShortHash(set.checkpoint_sha256())});
  table.AddRow({"data set", set.dataset()});
  table.AddRow({"split", set.split()});
  table.AddRow(
      {"images",
       FormatCount(set.stored()) + " of " + FormatCount(set.images()) + " stored" +
           (set.begin() == 0 ? "" : ", from number " + std::to_string(set.begin()) + " on")});
  table.AddRow({"samples", SamplesText(set.samples())});
  if (set.samples() == 0) return;
  table.AddRow({"seed", std::to_string(set.seed())});
  table.AddRow({"masks", MasksText(set.consistent_masks())});
  if (set.keeps_samples()) table.AddRow({"keeps", "the probabilities of every sample"});
}

void AddPredictionMetricRows(const v1::TrainingResult& result, Table& table) {
  for (const v1::Metric& metric : Ordered(result))
    table.AddRow({metric.name(), FormatMetric(metric.value())});
}

std::string PredictionResultText(const v1::TrainingResult& result, bool has_dropout) {
  std::string sampled;
  std::string deterministic;
  for (const v1::Metric& metric : Ordered(result)) {
    std::string_view name = metric.name();
    std::string& line = name.starts_with(kDeterministic) ? deterministic : sampled;
    if (name.starts_with(kDeterministic)) name.remove_prefix(kDeterministic.size());
    line += "  " + Escape(name) + " " + FormatMetric(metric.value());
  }
  // Without samples both say the same.
  if (!has_dropout && !deterministic.empty()) sampled.clear();
  const int columns = static_cast<int>(std::string_view(kWithoutDropout).size());
  std::string text;
  if (!sampled.empty())
    text += PadRight(has_dropout ? kWithDropout : kWithoutDropout, columns) + sampled + "\n";
  if (!deterministic.empty()) text += PadRight(kWithoutDropout, columns) + deterministic + "\n";
  return text;
}

void NoteResolved(Session& session, const std::string& asked, const v1::PredictionSet& set) {
  if (set.job_id() == asked || set.model_job_id() != asked) return;
  session.err() << "job " << Escape(asked) << " is a training; its newest prediction is job "
                << Escape(set.job_id()) << "\n"
                << std::flush;
}

std::string PredictionAdvice(const Session& session, const std::string& id) {
  return "How far to trust it: " + session.CommandLine("uncertainty " + Escape(id)) +
         "\nImage by image:      " +
         session.CommandLine("predictions " + Escape(id) + " --sort entropy") + "\n";
}

}  // namespace anneal::client
