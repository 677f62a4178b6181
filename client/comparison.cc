// The level that a job "reaches" is another's best value: the first epoch that is as good counts,
// whatever comes after it. Seconds are sums of the epochs' own durations, so that neither the queue
// nor a restart of the daemon is charged to the network.
#include "client/comparison.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <string>

#include "client/job_text.h"

namespace anneal::client {
namespace {

using Epochs = std::vector<const v1::EpochMetrics*>;

std::optional<double> Value(const v1::EpochMetrics& epoch, std::string_view metric) {
  for (const v1::Metric& measured : epoch.metrics()) {
    if (measured.name() == metric) return measured.value();
  }
  return std::nullopt;
}

bool Measured(const Epochs& epochs, std::string_view metric) {
  return std::any_of(epochs.begin(), epochs.end(), [&](const v1::EpochMetrics* epoch) {
    return Value(*epoch, metric).has_value();
  });
}

// See Comparison.loss_metric.
std::string ChooseMetric(const std::vector<Epochs>& jobs, const std::string& base) {
  const std::string validation = "val_" + base;
  bool any_validation = false;
  bool any = false;
  bool all_validated = true;
  for (const Epochs& epochs : jobs) {
    const bool validated = Measured(epochs, validation);
    const bool trained = Measured(epochs, base);
    any_validation = any_validation || validated;
    any = any || trained;
    all_validated = all_validated && (validated || !trained);
  }
  if (any_validation && all_validated) return validation;
  return any ? base : "";
}

int64_t AddDurations(int64_t sum_us, int64_t duration_us) {
  const int64_t more = std::max<int64_t>(0, duration_us);
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  return more > kMost - sum_us ? kMost : sum_us + more;
}

// Better or equal.
bool AsGood(double value, double target, bool more_is_better) {
  return more_is_better ? value >= target : value <= target;
}

std::optional<v1::Comparison::Best> BestOf(const Epochs& epochs, const std::string& metric,
                                           bool more_is_better) {
  std::optional<v1::Comparison::Best> best;
  if (metric.empty()) return best;
  for (const v1::EpochMetrics* epoch : epochs) {
    const std::optional<double> value = Value(*epoch, metric);
    if (!value || !std::isfinite(*value)) continue;
    if (best && AsGood(best->value(), *value, more_is_better)) continue;
    best.emplace();
    best->set_value(*value);
    best->set_epoch(epoch->epoch());
  }
  return best;
}

void FillReach(const Epochs& epochs, bool more_is_better, v1::Comparison::Reach& reach) {
  int64_t duration_us = 0;
  for (const v1::EpochMetrics* epoch : epochs) {
    duration_us = AddDurations(duration_us, epoch->duration_us());
    const std::optional<double> value = Value(*epoch, reach.metric());
    if (!value || !std::isfinite(*value)) continue;
    if (!AsGood(*value, reach.target_value(), more_is_better)) continue;
    reach.set_reached(true);
    reach.set_epochs(epoch->epoch());
    reach.set_duration_us(duration_us);
    return;
  }
}

void AddReaches(const std::vector<Epochs>& epochs, const std::string& metric, bool more_is_better,
                v1::Comparison& comparison) {
  if (metric.empty()) return;
  for (int i = 0; i < comparison.jobs_size(); ++i) {
    const Epochs& own = epochs[static_cast<size_t>(i)];
    if (own.empty()) continue;
    for (const v1::Comparison::ComparedJob& target : comparison.jobs()) {
      const v1::Comparison::Best* best = FindBest(comparison, target, metric);
      if (best == nullptr) continue;
      v1::Comparison::Reach* reach = comparison.add_reaches();
      reach->set_metric(metric);
      reach->set_job_id(comparison.jobs(i).id());
      reach->set_target_job_id(target.id());
      reach->set_target_value(best->value());
      FillReach(own, more_is_better, *reach);
    }
  }
}

v1::Comparison::ComparedJob Summarize(const v1::Job& job, const Epochs& epochs) {
  v1::Comparison::ComparedJob compared;
  compared.set_id(job.id());
  compared.set_name(job.name());
  compared.set_state(job.state());
  compared.set_epochs(static_cast<int64_t>(epochs.size()));
  if (job.has_summary()) {
    compared.set_parameters(job.summary().trainable_parameters() +
                            job.summary().non_trainable_parameters());
  }
  int64_t total_us = 0;
  for (const v1::EpochMetrics* epoch : epochs)
    total_us = AddDurations(total_us, epoch->duration_us());
  compared.set_total_us(total_us);
  if (!epochs.empty()) compared.set_mean_epoch_us(total_us / compared.epochs());
  for (const v1::Metric& metric : job.result().metrics()) {
    if (metric.name() == "test_accuracy") compared.set_test_accuracy(metric.value());
  }
  return compared;
}

// --- what makes figures hard to compare ---

std::string DataOf(const v1::JobSpec& spec) {
  const v1::DatasetSplit& data = spec.training().dataset();
  return data.name() + "\n" + (data.split().empty() ? "train" : data.split());
}

// "": it is not validated.
std::string ValidationOf(const v1::JobSpec& spec) {
  return spec.training().validation().SerializeAsString();
}

// The kind and its settings, but not from_logits: where the last activation is computed is no
// difference.
std::string LossOf(const v1::JobSpec& spec) {
  v1::Loss loss = spec.training().loss();
  if (loss.has_sparse_categorical_crossentropy())
    loss.mutable_sparse_categorical_crossentropy()->clear_from_logits();
  if (loss.has_categorical_crossentropy())
    loss.mutable_categorical_crossentropy()->clear_from_logits();
  if (loss.has_binary_crossentropy()) loss.mutable_binary_crossentropy()->clear_from_logits();
  return "loss" + loss.SerializeAsString();
}

bool NeverHasEpochs(const v1::Job& job) {
  return job.spec().has_sweep() || job.spec().has_lr_range_test();
}

std::string FingerprintOf(const v1::Job& job) {
  if (job.attempts().empty() || NeverHasEpochs(job)) return "";
  return job.attempts().rbegin()->fingerprint();
}

// "job 3", "jobs 3 and 5", "jobs 3, 5 and 7"
std::string NameJobs(const std::vector<std::string>& ids) {
  std::string text = ids.size() == 1 ? "job " : "jobs ";
  for (size_t i = 0; i < ids.size(); ++i) {
    if (i > 0) text += i + 1 == ids.size() ? " and " : ", ";
    text += ids[i];
  }
  return text;
}

// Those that differ from the first job of which it is known in what `of` says. "" is not known.
struct Others {
  std::string first;
  std::vector<std::string> ids;

  bool empty() const { return ids.empty(); }
  // " than job 1: jobs 3 and 5"
  std::string Text() const { return " than job " + first + ": " + NameJobs(ids); }
};

template <typename Function>
Others OthersThan(const std::vector<v1::Job>& jobs, Function of) {
  Others others;
  std::string first;
  for (const v1::Job& job : jobs) {
    const std::string what = of(job);
    if (what.empty()) continue;
    if (first.empty()) {
      first = what;
      others.first = job.id();
    } else if (what != first) {
      others.ids.push_back(job.id());
    }
  }
  return others;
}

// "job 1, a sweep, whose trials compare, and job 2, a range test"; "" where all have epochs.
std::string NameJobsWithoutEpochs(const std::vector<v1::Job>& jobs) {
  std::vector<std::string> parts;
  for (const v1::Job& job : jobs) {
    if (!NeverHasEpochs(job)) continue;
    parts.push_back(
        "job " + job.id() +
        (job.spec().has_sweep() ? ", a sweep, whose trials compare" : ", a range test"));
  }
  std::string text;
  for (size_t i = 0; i < parts.size(); ++i)
    text += (i == 0 ? "" : i + 1 == parts.size() ? ", and " : ", ") + parts[i];
  return text;
}

void AddNotes(const std::vector<v1::Job>& jobs, const Others& other_loss,
              v1::Comparison& comparison) {
  if (jobs.empty()) return;
  const auto note = [&](const std::string& text) { comparison.add_notes(text); };
  std::vector<std::string> unfinished;
  for (const v1::Job& job : jobs) {
    if (!IsTerminal(job.state())) unfinished.push_back(job.id());
  }
  if (!unfinished.empty())
    note("Not ended yet: " + NameJobs(unfinished) +
         ". The figures are of the epochs stored so far.");
  if (comparison.loss_metric() == "loss" || comparison.accuracy_metric() == "accuracy") {
    note(
        "Not every job was validated: training metrics are compared, which do not tell how good a "
        "model is on other data.");
  }
  const auto data = OthersThan(jobs, [](const v1::Job& job) { return DataOf(job.spec()); });
  if (!data.empty()) note("Other training data" + data.Text() + ". The values do not compare.");
  const auto validation =
      OthersThan(jobs, [](const v1::Job& job) { return ValidationOf(job.spec()); });
  const bool validated =
      comparison.loss_metric() == "val_loss" || comparison.accuracy_metric() == "val_accuracy";
  if (validated && data.empty() && !validation.empty())
    note("Validated on other samples" + validation.Text() + ".");
  if (!other_loss.empty())
    note("Another loss function" + other_loss.Text() + ". The losses do not compare.");
  const auto machine = OthersThan(jobs, FingerprintOf);
  if (!machine.empty())
    note("Another machine, device or build" + machine.Text() + ". The seconds do not compare.");
  if (const std::string without = NameJobsWithoutEpochs(jobs); !without.empty())
    note("Without epochs of their own: " + without + ".");
}

void AddVerdict(bool losses_compare, v1::Comparison& comparison) {
  std::vector<const v1::Comparison::ComparedJob*> with_epochs;
  for (const v1::Comparison::ComparedJob& job : comparison.jobs()) {
    if (job.epochs() > 0) with_epochs.push_back(&job);
  }
  const auto judged_by = [&](const std::string& metric) {
    std::vector<const v1::Comparison::ComparedJob*> ranked;
    for (const v1::Comparison::ComparedJob* job : with_epochs) {
      if (!metric.empty() && FindBest(comparison, *job, metric) != nullptr) ranked.push_back(job);
    }
    return ranked;
  };
  std::string metric = comparison.accuracy_metric();
  auto ranked = judged_by(metric);
  if (ranked.size() < with_epochs.size() && losses_compare) {
    // Accuracy that only some have ranks fewer jobs than loss does, unless those have no loss
    // either.
    auto by_loss = judged_by(comparison.loss_metric());
    if (by_loss.size() > ranked.size()) {
      ranked = std::move(by_loss);
      metric = comparison.loss_metric();
    }
  }
  if (ranked.size() < 2) return;
  std::stable_sort(ranked.begin(), ranked.end(), [&](const auto* a, const auto* b) {
    return Lead(comparison, metric, FindBest(comparison, *a, metric)->value(),
                FindBest(comparison, *b, metric)->value()) > 0;
  });
  comparison.mutable_verdict()->set_metric(metric);
  for (const auto* job : ranked) comparison.mutable_verdict()->add_ranking(job->id());
}

}  // namespace

v1::Comparison Compare(const std::vector<v1::Job>& jobs,
                       const google::protobuf::RepeatedPtrField<v1::EpochMetrics>& epochs) {
  std::map<std::string, Epochs> by_id;
  for (const v1::EpochMetrics& epoch : epochs) by_id[epoch.job_id()].push_back(&epoch);
  std::vector<Epochs> of_job;
  for (const v1::Job& job : jobs) of_job.push_back(by_id[job.id()]);

  v1::Comparison comparison;
  comparison.set_loss_metric(ChooseMetric(of_job, "loss"));
  comparison.set_accuracy_metric(ChooseMetric(of_job, "accuracy"));
  for (size_t i = 0; i < jobs.size(); ++i) {
    v1::Comparison::ComparedJob* job = comparison.add_jobs();
    *job = Summarize(jobs[i], of_job[i]);
    if (auto best = BestOf(of_job[i], comparison.loss_metric(), /*more_is_better=*/false))
      *job->mutable_best_loss() = *best;
    if (auto best = BestOf(of_job[i], comparison.accuracy_metric(), /*more_is_better=*/true))
      *job->mutable_best_accuracy() = *best;
  }
  AddReaches(of_job, comparison.loss_metric(), /*more_is_better=*/false, comparison);
  AddReaches(of_job, comparison.accuracy_metric(), /*more_is_better=*/true, comparison);
  const auto other_loss = OthersThan(jobs, [](const v1::Job& job) { return LossOf(job.spec()); });
  AddNotes(jobs, other_loss, comparison);
  AddVerdict(/*losses_compare=*/other_loss.empty(), comparison);
  return comparison;
}

const v1::Comparison::Best* FindBest(const v1::Comparison& comparison,
                                     const v1::Comparison::ComparedJob& job,
                                     std::string_view metric) {
  if (metric == comparison.loss_metric()) return job.has_best_loss() ? &job.best_loss() : nullptr;
  return job.has_best_accuracy() ? &job.best_accuracy() : nullptr;
}

const v1::Comparison::Reach* FindReach(const v1::Comparison& comparison, std::string_view metric,
                                       std::string_view job_id, std::string_view target_job_id) {
  for (const v1::Comparison::Reach& reach : comparison.reaches()) {
    if (reach.metric() == metric && reach.job_id() == job_id &&
        reach.target_job_id() == target_job_id)
      return &reach;
  }
  return nullptr;
}

double Lead(const v1::Comparison& comparison, std::string_view metric, double value, double other) {
  return metric == comparison.loss_metric() ? other - value : value - other;
}

}  // namespace anneal::client
