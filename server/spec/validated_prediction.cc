#include "server/spec/validated_prediction.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/spec/defaults.h"
#include "server/spec/field_checks.h"
#include "server/spec/layer_kind.h"
#include "server/spec/limits.h"
#include "server/spec/model_description.h"
#include "server/spec/run_checks.h"
#include "server/spec/text.h"
#include "server/spec/unknown_fields.h"
#include "server/spec/violation_list.h"

namespace anneal {
namespace {

constexpr size_t kMessageBytes = 1'000;  // of a catalog, in a violation
constexpr char kDefaultSplit[] = "test";

}  // namespace

OutputKind OutputKindOf(const ValidatedSpec& model) {
  const v1::Loss& loss = model.training().loss();
  if (loss.has_sparse_categorical_crossentropy() || loss.has_categorical_crossentropy())
    return OutputKind::kLogits;
  const ResolvedLayer& last = model.layers().back();
  if (loss.has_binary_crossentropy()) {
    return last.output_shape == std::vector<int64_t>{1} && model.dataset().class_names.size() == 2
               ? OutputKind::kLogit
               : OutputKind::kNone;
  }
  return ActivationOf(*last.layer) == v1::Activation::SOFTMAX ? OutputKind::kProbabilities
                                                              : OutputKind::kNone;
}

bool IsActiveDropout(const v1::Layer& layer) {
  // A rate that single precision rounds to 0 drops nothing.
  const auto active = [](double rate) { return static_cast<float>(rate) > 0; };
  if (layer.has_dropout()) return active(layer.dropout().rate());
  if (layer.has_alpha_dropout()) return active(layer.alpha_dropout().rate());
  return layer.has_spatial_dropout2d() && active(layer.spatial_dropout2d().rate());
}

// For one spec.
class PredictionValidator {
 public:
  PredictionValidator(const v1::JobSpec& spec, const ModelCatalog& models,
                      const DatasetCatalog& catalog)
      : spec_(spec),
        models_(models),
        catalog_(catalog),
        contents_(std::make_shared<ValidatedPrediction::Contents>()),
        checks_("prediction", violations_) {
    contents_->proto = spec.prediction();
  }

  PredictionValidation Run() && {
    CheckUnknownFields(spec_, violations_);
    const FieldChecks root("", violations_);
    if (std::string problem = NameProblem(spec_.name(), limits::kJobNameBytes); !problem.empty())
      root.Add("name", std::move(problem));
    if (spec_.has_lr_range_test())
      root.Add("lr_range_test", "is of a training; leave it out of a prediction");
    if (spec_.has_sweep()) root.Add("sweep", "is of a training; leave it out of a prediction");
    FindModel();
    CheckSamples();
    CheckDataset();
    CheckDevice(checks_, contents_->proto.device());

    PredictionValidation result;
    if (!status_.ok()) {
      result.status = status_;
      return result;
    }
    if (violations_.empty()) {
      Warn(result.warnings);
      result.prediction = ValidatedPrediction(contents_);
    } else {
      result.violations = std::move(violations_).Take();
    }
    return result;
  }

 private:
  void FindModel() {
    const std::string& text = contents_->proto.job_id();
    if (text.empty()) return checks_.Add("job_id", "is missing; name a training that has SUCCEEDED");
    const std::optional<JobId> id = ParseJobId(text);
    if (!id.has_value()) {
      return checks_.Add("job_id", absl::StrCat("is ", Quote(text),
                                                ", which is no job id; ids are numbers from 1"));
    }
    absl::StatusOr<CheckpointInfo> found = models_.FindModel(*id);
    if (!found.ok() && !absl::IsNotFound(found.status()) &&
        !absl::IsFailedPrecondition(found.status())) {
      status_ = found.status();
      return;
    }
    if (!found.ok()) {
      return checks_.Add("job_id", absl::StrCat("is ", *id, "; ",
                                                Printable(std::string(found.status().message()),
                                                          kMessageBytes)));
    }
    absl::StatusOr<ValidatedSpec> model_spec = SpecOfModel(found->description);
    if (!model_spec.ok()) {
      return checks_.Add("job_id", absl::StrCat("is ", *id, ", ",
                                                std::string(model_spec.status().message())));
    }
    contents_->model = *std::move(model_spec);
    contents_->checkpoint = *std::move(found);
    contents_->set.model_job_id = *id;
    contents_->set.checkpoint_sha256 = contents_->checkpoint.sha256;
    if (OutputKindOf(model()) == OutputKind::kNone) {
      checks_.Add("job_id",
                  absl::StrCat("is ", *id, ", whose network does not give class probabilities: its "
                               "outputs do not sum to 1; predictions need one that ends in "
                               "SOFTMAX, or in a single SIGMOID for two classes"));
    }
  }

  void CheckSamples() {
    PredictionSet& set = contents_->set;
    set.samples = defaults::Samples(contents_->proto);
    set.seed = contents_->proto.seed();
    set.consistent_masks = contents_->proto.consistent_masks();
    set.keeps_samples = contents_->proto.keep_samples() && set.samples > 0;
    if (!checks_.Integer("samples", set.samples, 0, limits::kPredictionSamples,
                         "the number of samples"))
      return;
    if (!contents_->model.has_value()) return;
    const auto classes = static_cast<int64_t>(model().dataset().class_names.size());
    // What is kept must fit into an answer.
    const int64_t most = set.keeps_samples ? limits::kKeptProbabilities
                                           : limits::kSampledProbabilities;
    if (set.samples * classes > most) {
      checks_.Add("samples",
                  absl::StrCat("is ", set.samples, ", which for ", FormatCount(classes),
                               " classes is ", FormatCount(set.samples * classes),
                               " probabilities an image; at most ", FormatCount(most / classes),
                               " samples are ", set.keeps_samples ? "kept" : "taken"));
    }
    const auto& layers = model().layers();
    if (set.samples > 0 && std::none_of(layers.begin(), layers.end(), [](const auto& layer) {
          return IsActiveDropout(*layer.layer);
        })) {
      checks_.Add("samples", absl::StrCat("is ", set.samples,
                                          contents_->proto.has_samples() ? "" : " (the default)",
                                          ", but the network of job ", set.model_job_id,
                                          " has no dropout, so every sample would be the same; "
                                          "ask for samples: 0, plain predictions"));
    }
  }

  void CheckDataset() {
    const v1::PredictionSpec& proto = contents_->proto;
    const bool trained_on_known = contents_->model.has_value();
    if (proto.dataset().empty() && !trained_on_known) return;
    const std::string name = proto.dataset().empty() ? model().dataset().name : proto.dataset();
    const absl::StatusOr<DatasetInfo> info = catalog_.Describe(name);
    if (!info.ok()) {
      std::string what = absl::StrCat(
          "is ", Quote(name), proto.dataset().empty() ? ", which the network was trained on" : "");
      if (absl::IsNotFound(info.status())) {
        absl::StrAppend(&what, "; this server has ", QuotedList(catalog_.Names()));
      } else {
        absl::StrAppend(&what, ", which cannot be read: ",
                        Printable(std::string(info.status().message()), kMessageBytes));
      }
      return checks_.Add("dataset", std::move(what));
    }
    contents_->set.dataset = name;
    contents_->set.class_names = info->class_names;
    if (trained_on_known) {
      const DatasetInfo& trained = model().dataset();
      if (info->shape != trained.shape) {
        checks_.Add("dataset", absl::StrCat("is ", Quote(name), ", whose images are ",
                                            FormatShape(info->shape), "; the network takes ",
                                            FormatShape(trained.shape)));
      }
      if (info->class_names.size() != trained.class_names.size()) {
        checks_.Add("dataset", absl::StrCat("is ", Quote(name), ", which has ",
                                            info->class_names.size(), " classes; the network has ",
                                            trained.class_names.size()));
      } else if (info->class_names != trained.class_names) {
        other_class_names_ = true;
      }
    }
    CheckSplit(*info);
  }

  void CheckSplit(const DatasetInfo& info) {
    PredictionSet& set = contents_->set;
    set.split = contents_->proto.split();
    const bool given = !set.split.empty();
    if (!given) {
      set.split = contents_->model.has_value() && model().training().has_test() &&
                          info.name == model().dataset().name
                      ? model().training().test().split()
                      : kDefaultSplit;
    }
    const SplitInfo* const split = info.FindSplit(set.split);
    if (split == nullptr) {
      std::vector<std::string> names;
      for (const SplitInfo& candidate : info.splits) names.push_back(candidate.name);
      return checks_.Add("split", absl::StrCat("is ", Quote(set.split), given ? "" : " (the default)",
                                               "; data set ", Quote(info.name), " has ",
                                               QuotedList(names)));
    }
    set.begin = 0;
    set.images = split->samples;
    if (!contents_->proto.has_images()) return;
    const FieldChecks images = checks_.In("images");
    const v1::ImageRange& range = contents_->proto.images();
    if (!images.Integer("begin", range.begin(), 0, split->samples - 1, "the first image")) return;
    if (!images.Integer("count", range.count(), 1, split->samples - range.begin(),
                        "the number of images"))
      return;
    set.begin = range.begin();
    set.images = range.count();
  }

  void Warn(std::vector<std::string>& warnings) const {
    const PredictionSet& set = contents_->set;
    if (set.dataset == model().dataset().name &&
        set.split == defaults::TrainSplit(model().training())) {
      warnings.push_back(absl::StrCat(
          "prediction.split: ", Quote(set.split),
          " is what the network was trained on (what was held out of it apart); how sure it is "
          "there says little about new images"));
    }
    if (other_class_names_) {
      warnings.push_back(absl::StrCat("prediction.dataset: the classes of ", Quote(set.dataset),
                                      " have other names or another order than those the network "
                                      "was trained on; class k counts as class k"));
    }
    if (set.samples == 1) {
      warnings.emplace_back(
          "prediction.samples: one sample has no spread: deviations, mutual information and "
          "variation ratio are 0");
    }
    if (contents_->proto.keep_samples() && set.samples == 0)
      warnings.emplace_back("prediction.keep_samples: there are none with samples: 0");
    if (set.keeps_samples) {
      const int64_t bytes = set.images * set.samples * set.classes() * 4;
      constexpr int64_t kLarge = int64_t{1} << 30;
      if (bytes > kLarge) {
        warnings.push_back(absl::StrCat("prediction.keep_samples: the samples take ",
                                        FormatBytes(bytes), " of the database"));
      }
    }
  }

  const ValidatedSpec& model() const { return *contents_->model; }

  const v1::JobSpec& spec_;
  const ModelCatalog& models_;
  const DatasetCatalog& catalog_;
  const std::shared_ptr<ValidatedPrediction::Contents> contents_;
  absl::Status status_;
  ViolationList violations_;
  const FieldChecks checks_;
  bool other_class_names_ = false;
};

PredictionValidation ValidatePrediction(const v1::JobSpec& spec, const ModelCatalog& models,
                                        const DatasetCatalog& catalog) {
  return PredictionValidator(spec, models, catalog).Run();
}

}  // namespace anneal
