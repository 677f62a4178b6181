#include "client/uncertainty_verdict.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "client/prediction_text.h"
#include "client/uncertainty_text.h"

namespace anneal::client {
namespace {

using MeasureSummary = v1::SetMeasures::MeasureSummary;

// Below so many images the bins of a calibration error hold too few.
constexpr int64_t kFewImages = 1'000;
// What float sums may leave of a mutual information that is 0.
constexpr double kNoDisagreement = 1e-6;

// "an image", "1,000 images"
std::string Images(int64_t count) {
  return FormatCount(count) + (count == 1 ? " image" : " images");
}

std::string FromTo(double from, double to) {
  return "from " + FormatMetric(from) + " to " + FormatMetric(to);
}

// "a", "a and b", "a, b and c"
std::string List(const std::vector<std::string>& items) {
  std::string text;
  for (size_t i = 0; i < items.size(); ++i)
    text += (i == 0 ? "" : i + 1 == items.size() ? " and " : ", ") + items[i];
  return text;
}

// A measure's name in words: "mutual information".
std::string Words(std::string name) {
  std::replace(name.begin(), name.end(), '_', ' ');
  return Escape(name);
}

std::string AccuracySentence(const v1::Uncertainty& uncertainty) {
  const double before = uncertainty.deterministic().accuracy();
  const double after = uncertainty.monte_carlo().accuracy();
  const int64_t images = uncertainty.set().stored();
  const double error = std::max(ShareError(before, images), ShareError(after, images));
  const std::string error_text = FormatMetric(error);
  if (before == after) {
    return "MC Dropout leaves accuracy at " + FormatMetric(after) + " (standard error " +
           error_text + ").";
  }
  const double difference = std::abs(after - before);
  if (difference <= error) {
    return "MC Dropout leaves accuracy about the same: it goes " + FromTo(before, after) +
           ", by less than a standard error (" + error_text + ").";
  }
  const std::string change = std::string("MC Dropout ") + (after > before ? "raises" : "lowers") +
                             " accuracy " + FromTo(before, after);
  if (difference <= 2 * error)
    return change + ", by less than two standard errors (" + error_text + "): it may be chance.";
  return change + " (standard error " + error_text + ").";
}

// NLL, Brier score and ECE, in groups of what got better, worse and stayed.
std::string ScoreSentence(const v1::Uncertainty& uncertainty) {
  const v1::SetMeasures& before = uncertainty.deterministic();
  const v1::SetMeasures& after = uncertainty.monte_carlo();
  struct Score {
    const char* name;
    double before;
    double after;
  };
  std::vector<std::string> lowered;
  std::vector<std::string> raised;
  std::vector<std::string> same;
  for (const Score& score : {Score{"NLL", before.nll(), after.nll()},
                             Score{"the Brier score", before.brier(), after.brier()},
                             Score{"the calibration error (ECE)", before.ece(), after.ece()}}) {
    if (FormatMetric(score.before) == FormatMetric(score.after)) {
      same.push_back(std::string(score.name) + " at " + FormatMetric(score.after));
    } else {
      (score.after < score.before ? lowered : raised)
          .push_back(std::string(score.name) + " " + FromTo(score.before, score.after));
    }
  }
  std::vector<std::string> parts;
  if (!lowered.empty()) parts.push_back("lowers " + List(lowered));
  if (!raised.empty()) parts.push_back("raises " + List(raised));
  if (!same.empty()) parts.push_back("leaves " + List(same));
  std::string text = "MC Dropout ";
  for (size_t i = 0; i < parts.size(); ++i) text += (i == 0 ? "" : "; it ") + parts[i];
  return text + ". Lower is better.";
}

// How sure the answers are against how good: over all bins, weighted by their images.
std::string SurenessPhrase(const Answers& answers) {
  double images = 0;
  double confidence = 0;
  double right = 0;
  for (const auto& bin : answers.measures->bins()) {
    const auto count = static_cast<double>(bin.images());
    images += count;
    confidence += count * bin.confidence();
    right += count * bin.accuracy();
  }
  if (images == 0) return "";
  const double gap = (confidence - right) / images;
  const double error = ShareError(right / images, static_cast<int64_t>(images));
  return std::string(answers.name == kWithDropout ? "with MC Dropout it is "
                                                  : "Without dropout the network is ") +
         (std::abs(gap) <= 2 * error ? "about as sure as it is good"
          : gap > 0                  ? "overconfident"
                                     : "underconfident") +
         " (mean confidence " + FormatMetric(confidence / images) + ", accuracy " +
         FormatMetric(right / images) + ")";
}

std::string SurenessSentence(const v1::Uncertainty& uncertainty) {
  std::string text;
  for (const Answers& answers : AllAnswers(uncertainty)) {
    const std::string phrase = SurenessPhrase(answers);
    if (!phrase.empty()) text += (text.empty() ? "" : "; ") + phrase;
  }
  return text.empty() ? "" : text + ".";
}

std::string AbstainingSentence(const Answers& answers, const std::string& rank_by) {
  const auto& coverages = answers.measures->coverages();
  const auto at = [&](double coverage) {
    return std::find_if(coverages.begin(), coverages.end(), [&](const auto& known) {
      return std::abs(known.coverage() - coverage) < 1e-9;
    });
  };
  const auto all = at(1);
  const auto most = at(0.9);
  if (all == coverages.end() || most == coverages.end() || all->images() == most->images())
    return "";
  const std::string begin = "Abstaining on the least sure tenth (by " + Words(rank_by) + ") ";
  if (most->accuracy() > all->accuracy())
    return begin + "raises accuracy " + FromTo(all->accuracy(), most->accuracy()) + ".";
  if (most->accuracy() == all->accuracy())
    return begin + "leaves accuracy at " + FormatMetric(all->accuracy()) + ".";
  return begin + "does not help: it lowers accuracy " + FromTo(all->accuracy(), most->accuracy()) +
         ".";
}

// NLL and Brier score know the label: that they tell wrong from right says nothing.
bool KnowsTheLabel(const MeasureSummary& summary) {
  return summary.name() == "nll" || summary.name() == "brier";
}

std::string AurocText(double auroc, int64_t wrong, int64_t right) {
  std::string text = "AUROC " + FormatMetric(auroc);
  if (const std::optional<double> error = AurocError(auroc, wrong, right); error)
    text += " (standard error " + FormatMetric(*error) + ")";
  return text;
}

std::vector<std::string> TellingSentences(const v1::Uncertainty& uncertainty) {
  const Answers answers = AllAnswers(uncertainty).back();
  const v1::SetMeasures& measures = *answers.measures;
  const int64_t images = uncertainty.set().stored();
  const auto right =
      static_cast<int64_t>(std::llround(measures.accuracy() * static_cast<double>(images)));
  const int64_t wrong = images - right;
  if (right == 0 || wrong == 0) {
    return {std::string("All answers are ") + (wrong == 0 ? "right" : "wrong") +
            ": there is nothing for a measure of doubt to tell apart."};
  }
  const MeasureSummary* best = nullptr;
  const MeasureSummary* mutual = nullptr;
  for (const MeasureSummary& summary : measures.measures()) {
    if (summary.name() == "mutual_information") mutual = &summary;
    if (!summary.has_auroc() || KnowsTheLabel(summary)) continue;
    if (best == nullptr || summary.auroc() > best->auroc()) best = &summary;
  }
  std::vector<std::string> sentences;
  const double chance = 2 * ChanceAurocError(wrong, right).value_or(0);
  if (best != nullptr) {
    sentences.push_back(
        "Of all measures " + Words(best->name()) + " tells wrong from right best, with " +
        AurocText(best->auroc(), wrong, right) +
        (best->auroc() - 0.5 <= chance ? "; even that is no better than chance." : "."));
  }
  if (mutual == nullptr || !uncertainty.has_monte_carlo()) return sentences;
  if (std::max(mutual->right(), mutual->wrong()) < kNoDisagreement) {
    sentences.push_back(
        uncertainty.set().samples() == 1
            ? "One sample cannot disagree with itself: mutual information is 0 everywhere. Ask for "
              "more samples."
            : "The samples agree on every image, mutual information is 0: dropout changes nothing "
              "in this network. Has it a dropout layer?");
  } else if (mutual != best && mutual->has_auroc()) {
    const double lead = mutual->auroc() - 0.5;
    sentences.push_back(
        "Mutual information tells wrong from right with " +
        AurocText(mutual->auroc(), wrong, right) +
        (std::abs(lead) <= chance ? "; that is no better than chance."
         : lead < 0 ? "; that is worse than chance, it is larger where the answer is right."
                    : "."));
  }
  return sentences;
}

std::string TrustSentence(const v1::Uncertainty& uncertainty) {
  const int64_t images = uncertainty.set().stored();
  const Answers answers = AllAnswers(uncertainty).back();
  if (images >= kFewImages) {
    return "Standard errors are those of other images of the same kind; another training, or "
           "another seed of the masks, may differ by more.";
  }
  std::string text = "These are only " + Images(images) + ": accuracy is known to about " +
                     FormatMetric(2 * ShareError(answers.measures->accuracy(), images)) +
                     " (two standard errors)";
  const double accuracy = answers.measures->accuracy();
  if (accuracy == 0 || accuracy == 1) {
    // The rule of three (Hanley & Lippman-Hand 1983).
    text = "These are only " + Images(images) + ": " + (accuracy == 1 ? "no error" : "no success") +
           " among so few still allows a rate of up to about " +
           FormatMetric(std::min(1.0, 3.0 / static_cast<double>(images)));
  }
  return text +
         ", and the calibration error comes out too large by chance, the more so the more "
         "bins.";
}

std::string StoredSentence(const v1::PredictionSet& set) {
  if (set.stored() == set.images()) return "";
  return "Only the first " + FormatCount(set.stored()) + " of " + Images(set.images()) +
         " are stored: all this is of them.";
}

std::string Items(const std::vector<std::string>& sentences, const Style& style) {
  std::string text;
  for (const std::string& sentence : sentences) {
    if (!sentence.empty()) text += ListItem(sentence, style);
  }
  return text;
}

struct Contender {
  std::string name;  // "job 7 with MC Dropout"
  const v1::SetMeasures* measures = nullptr;
};

// "The lowest NLL is 0.8213, of job 7 (MC Dropout)."
std::string BestSentence(const std::vector<Contender>& contenders, const std::string& what,
                         double (v1::SetMeasures::*value)() const, bool larger) {
  std::vector<std::string> names;
  double best = std::nan("");
  for (const Contender& contender : contenders) {
    const double mine = (contender.measures->*value)();
    if (std::isnan(mine)) continue;
    if (std::isnan(best) || (larger ? mine > best : mine < best)) {
      best = mine;
      names.clear();
    }
    if (mine == best) names.push_back(contender.name);
  }
  if (names.empty()) return "";
  return "The " + what + " is " + FormatMetric(best) + ", of " + List(names) + ".";
}

}  // namespace

std::optional<double> AurocError(double auroc, int64_t positives, int64_t negatives) {
  if (positives <= 0 || negatives <= 0 || !(auroc >= 0 && auroc <= 1)) return std::nullopt;
  const auto m = static_cast<double>(positives);
  const auto n = static_cast<double>(negatives);
  const double square = auroc * auroc;
  const double q1 = auroc / (2 - auroc);
  const double q2 = 2 * square / (1 + auroc);
  const double variance =
      (auroc * (1 - auroc) + (m - 1) * (q1 - square) + (n - 1) * (q2 - square)) / (m * n);
  return std::sqrt(std::max(0.0, variance));
}

std::optional<double> ChanceAurocError(int64_t positives, int64_t negatives) {
  if (positives <= 0 || negatives <= 0) return std::nullopt;
  const auto m = static_cast<double>(positives);
  const auto n = static_cast<double>(negatives);
  return std::sqrt((m + n + 1) / (12 * m * n));
}

std::string UncertaintyVerdict(const v1::Uncertainty& uncertainty, const std::string& rank_by,
                               const Style& style) {
  std::vector<std::string> sentences = {StoredSentence(uncertainty.set())};
  if (uncertainty.has_monte_carlo()) {
    sentences.push_back(AccuracySentence(uncertainty));
    sentences.push_back(ScoreSentence(uncertainty));
  }
  sentences.push_back(SurenessSentence(uncertainty));
  sentences.push_back(AbstainingSentence(AllAnswers(uncertainty).back(), rank_by));
  for (std::string& sentence : TellingSentences(uncertainty))
    sentences.push_back(std::move(sentence));
  sentences.push_back(TrustSentence(uncertainty));
  return Items(sentences, style);
}

std::string UncertaintyRanking(const std::vector<v1::Uncertainty>& uncertainties,
                               const Style& style) {
  std::vector<Contender> contenders;
  bool same_images = true;
  for (const v1::Uncertainty& uncertainty : uncertainties) {
    const v1::PredictionSet& set = uncertainty.set();
    const v1::PredictionSet& first = uncertainties[0].set();
    same_images = same_images && set.dataset() == first.dataset() && set.split() == first.split() &&
                  set.begin() == first.begin() && set.stored() == first.stored();
    for (const Answers& answers : AllAnswers(uncertainty)) {
      contenders.push_back({"job " + Escape(set.job_id()) + " " +
                                (answers.name == kWithDropout ? "with " : "") +
                                std::string(answers.name),
                            answers.measures});
    }
  }
  std::vector<std::string> sentences;
  if (!same_images) {
    sentences.push_back(
        "These are not the same images: a difference may be theirs and not that of the networks.");
  }
  using Measures = v1::SetMeasures;
  sentences.push_back(
      BestSentence(contenders, "highest accuracy", &Measures::accuracy, /*larger=*/true));
  sentences.push_back(BestSentence(contenders, "lowest NLL", &Measures::nll, /*larger=*/false));
  sentences.push_back(BestSentence(contenders, "lowest ECE", &Measures::ece, /*larger=*/false));
  return Items(sentences, style);
}

}  // namespace anneal::client
