#include "client/verdict_text.h"

#include <algorithm>
#include <cstdio>
#include <string_view>
#include <utility>
#include <vector>

#include "client/comparison.h"

namespace anneal::client {
namespace {

using ComparedJob = v1::Comparison::ComparedJob;
using Reach = v1::Comparison::Reach;

// "1.25", "12.3", "140"
std::string FormatRatio(double ratio) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", ratio < 9.995 ? 2 : ratio < 99.95 ? 1 : 0, ratio);
  return text;
}

std::string CountEpochs(int64_t epochs) {
  return std::to_string(epochs) + (epochs == 1 ? " epoch" : " epochs");
}

std::string JobName(std::string_view id) { return "job " + Escape(id); }

// "job 3", "jobs 3 and 5"
std::string JobNames(const std::vector<std::string>& ids) {
  std::string text = ids.size() == 1 ? "job " : "jobs ";
  for (size_t i = 0; i < ids.size(); ++i) {
    if (i > 0) text += i + 1 == ids.size() ? " and " : ", ";
    text += Escape(ids[i]);
  }
  return text;
}

const ComparedJob& FindJob(const v1::Comparison& comparison, std::string_view id) {
  return *std::find_if(comparison.jobs().begin(), comparison.jobs().end(),
                       [&](const ComparedJob& job) { return job.id() == id; });
}

std::string ModelSentence(const v1::Comparison& comparison) {
  const v1::Comparison::Verdict& verdict = comparison.verdict();
  const auto best = [&](const std::string& id) {
    return *FindBest(comparison, FindJob(comparison, id), verdict.metric());
  };
  const std::string& first_id = verdict.ranking(0);
  const v1::Comparison::Best first = best(first_id);
  const v1::Comparison::Best last = best(*verdict.ranking().rbegin());
  if (Lead(comparison, verdict.metric(), first.value(), last.value()) == 0) {
    return "No better model: " + JobNames({verdict.ranking().begin(), verdict.ranking().end()}) +
           " are level at a best " + verdict.metric() + " of " + FormatMetric(first.value()) + ".";
  }
  std::string text = std::string(verdict.ranking_size() == 2 ? "Better model: " : "Best model: ") +
                     JobName(first_id) + ", with a best " + verdict.metric() + " of " +
                     FormatMetric(first.value()) + " in epoch " + std::to_string(first.epoch());
  for (int i = 1; i < verdict.ranking_size(); ++i) {
    const v1::Comparison::Best other = best(verdict.ranking(i));
    const double behind = Lead(comparison, verdict.metric(), first.value(), other.value());
    text += "; " + JobName(verdict.ranking(i)) + " has " + FormatMetric(other.value()) +
            " in epoch " + std::to_string(other.epoch()) + ", " +
            (behind == 0 ? "the same" : FormatMetric(behind) + " worse");
  }
  return text + ".";
}

// Where loss and accuracy disagree on the best; "" where they do not.
std::string OtherMetricSentence(const v1::Comparison& comparison) {
  const v1::Comparison::Verdict& verdict = comparison.verdict();
  const std::string& other = comparison.loss_metric();
  if (other.empty() || verdict.metric() == other) return "";
  const ComparedJob& winner = FindJob(comparison, verdict.ranking(0));
  const ComparedJob* best = &winner;
  for (const std::string& id : verdict.ranking()) {
    const ComparedJob& job = FindJob(comparison, id);
    if (!job.has_best_loss()) return "";
    if (job.best_loss().value() < best->best_loss().value()) best = &job;
  }
  if (best == &winner) return "";
  return "By " + other + " it is " + JobName(best->id()) + ", with " +
         FormatMetric(best->best_loss().value()) + " against " +
         FormatMetric(winner.best_loss().value()) + " of " + JobName(winner.id()) + ".";
}

// How fast the judged jobs come to the level that all of them reach.
std::string ConvergenceSentence(const v1::Comparison& comparison) {
  const v1::Comparison::Verdict& verdict = comparison.verdict();
  const std::string& target = *verdict.ranking().rbegin();
  std::vector<const Reach*> reaches;
  for (const std::string& id : verdict.ranking())
    reaches.push_back(FindReach(comparison, verdict.metric(), id, target));
  const auto leaders = [&](auto measure) {
    const Reach* least = *std::min_element(
        reaches.begin(), reaches.end(),
        [&](const Reach* a, const Reach* b) { return measure(*a) < measure(*b); });
    std::vector<std::string> ids;
    for (const Reach* reach : reaches) {
      if (measure(*reach) == measure(*least)) ids.push_back(reach->job_id());
    }
    return std::make_pair(least, ids);
  };
  const auto [least_epochs, in_epochs] = leaders([](const Reach& reach) { return reach.epochs(); });
  const auto [least_time, in_time] =
      leaders([](const Reach& reach) { return reach.duration_us(); });
  const auto name = [&](const std::vector<std::string>& ids) {
    return ids.size() == reaches.size() ? std::string("none") : JobNames(ids);
  };
  const std::string faster = reaches.size() == 2 ? "Converges faster" : "Converges fastest";
  std::string text = in_epochs == in_time ? faster + ": " + name(in_epochs) + "."
                                          : faster + " in epochs: " + name(in_epochs) +
                                                "; in seconds: " + name(in_time) + ".";
  text += " To " + verdict.metric() + " " + FormatMetric(least_epochs->target_value()) +
          ", the best of " + JobName(target) + ", ";
  std::vector<const Reach*> order = reaches;
  std::stable_sort(order.begin(), order.end(),
                   [](const Reach* a, const Reach* b) { return a->epochs() < b->epochs(); });
  for (size_t i = 0; i < order.size(); ++i) {
    if (i > 0) text += "; ";
    text += JobName(order[i]->job_id()) + " takes " + CountEpochs(order[i]->epochs());
    if (order[i]->epochs() > least_epochs->epochs() && least_epochs->epochs() > 0) {
      text += " (" +
              FormatRatio(static_cast<double>(order[i]->epochs()) /
                          static_cast<double>(least_epochs->epochs())) +
              " times as many)";
    }
    text += " and " + FormatDuration(order[i]->duration_us());
    if (order[i]->duration_us() > least_time->duration_us() && least_time->duration_us() > 0) {
      text += " (" +
              FormatRatio(static_cast<double>(order[i]->duration_us()) /
                          static_cast<double>(least_time->duration_us())) +
              " times as long)";
    }
  }
  text += ".";
  const std::string& winner = verdict.ranking(0);
  const bool alone =
      std::none_of(verdict.ranking().begin() + 1, verdict.ranking().end(), [&](const auto& id) {
        return FindReach(comparison, verdict.metric(), id, winner)->reached();
      });
  if (alone) {
    const double value = FindReach(comparison, verdict.metric(), winner, winner)->target_value();
    text += " " + FormatMetric(value) + ", the best of " + JobName(winner) +
            ", is reached by no other in the epochs stored.";
  }
  return text;
}

// Cheapest first; "" where fewer than two jobs have durations.
std::string CostSentence(const v1::Comparison& comparison) {
  std::vector<const ComparedJob*> jobs;
  for (const ComparedJob& job : comparison.jobs()) {
    if (job.mean_epoch_us() > 0) jobs.push_back(&job);
  }
  if (jobs.size() < 2) return "";
  std::stable_sort(jobs.begin(), jobs.end(), [](const ComparedJob* a, const ComparedJob* b) {
    return a->mean_epoch_us() < b->mean_epoch_us();
  });
  std::string text = "Cost of an epoch: ";
  for (const ComparedJob* job : jobs) {
    if (job != jobs[0]) text += "; ";
    text += FormatDuration(job->mean_epoch_us()) + " for " + JobName(job->id());
    if (job != jobs[0]) {
      text += ", " +
              FormatRatio(static_cast<double>(job->mean_epoch_us()) /
                          static_cast<double>(jobs[0]->mean_epoch_us())) +
              " times as long";
    }
    if (job->has_parameters()) text += " (" + FormatCount(job->parameters()) + " parameters)";
  }
  return text + ".";
}

// Jobs that the verdict leaves out.
std::string LeftOutSentence(const v1::Comparison& comparison) {
  const auto& ranking = comparison.verdict().ranking();
  std::vector<std::string> ids;
  for (const ComparedJob& job : comparison.jobs()) {
    if (std::find(ranking.begin(), ranking.end(), job.id()) == ranking.end())
      ids.push_back(job.id());
  }
  if (ids.empty()) return "";
  return "Not judged: " + JobNames(ids) + ", without a finite " + comparison.verdict().metric() +
         " so far.";
}

}  // namespace

std::string VerdictText(const v1::Comparison& comparison, const Style& style) {
  std::vector<std::string> sentences;
  if (comparison.has_verdict()) {
    sentences = {ModelSentence(comparison), OtherMetricSentence(comparison),
                 ConvergenceSentence(comparison), LeftOutSentence(comparison)};
  } else if (comparison.jobs_size() < 2) {
    sentences.push_back("Nothing to judge: one job. Name more to compare it with.");
  } else {
    sentences.push_back(
        "Nothing to judge yet: fewer than two jobs have a finite value of a metric that compares.");
  }
  sentences.push_back(CostSentence(comparison));
  for (const std::string& note : comparison.notes()) sentences.push_back(Escape(note));
  if (comparison.jobs_size() > 1) {
    sentences.push_back(
        "This is one run of each: another seed may turn a small difference around. Seconds depend "
        "on "
        "what else the machine did.");
  }
  std::string text;
  for (const std::string& sentence : sentences) {
    if (!sentence.empty()) text += ListItem(sentence, style);
  }
  return text;
}

}  // namespace anneal::client
