// Monte Carlo Dropout against the naive loop: `samples` passes of all images through the whole
// network, with the same kernels, the same masks and the same measures at the end. The answers are
// compared bit for bit.
//
// With f the share of a pass's work before the first active dropout, T samples cost at least
// f + (1 - f) T passes; the speed-up that is possible is T / (f + (1 - f) T). f is measured: the
// time of the layers before over that of a pass.
//
// usage: mc_dropout JOB_FILE [IMAGES [SAMPLES [ROUNDS]]]
// Weights are those of the beginning and images are generated: neither changes the work.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "server/core/prediction_measures.h"
#include "server/data/dataset_registry.h"
#include "server/engine/mc_dropout.h"
#include "server/engine/thread_settings.h"
#include "server/engine/training_step.h"
#include "server/spec/validated_prediction.h"
#include "tests/bench/job_file.h"

namespace {

using anneal::MonteCarloDropout;

constexpr int64_t kRows = MonteCarloDropout::kRows;

int Fail(const std::string& text) {
  std::fprintf(stderr, "mc_dropout: %s\n", text.c_str());
  return 1;
}

template <typename Work>
double Milliseconds(const Work& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
      .count();
}

// The naive loop, allocated once.
class NaiveLoop {
 public:
  NaiveLoop(const anneal::Network& network, const anneal::InputPreparation& preparation,
            anneal::OutputKind kind, const anneal::PredictionSet& set)
      : network_(network),
        preparation_(preparation),
        kind_(kind),
        set_(set),
        pool_(network.kernels().device()),
        deterministic_pool_(network.kernels().device()),
        workspace_(network.MakeWorkspace(kRows, anneal::Mode::kMonteCarlo, pool_)),
        deterministic_(network.MakeWorkspace(kRows, anneal::Mode::kInference, deterministic_pool_)),
        images_(at::empty_like(workspace_->input())),
        probabilities_(at::zeros({kRows, set.classes()})),
        of_all_(static_cast<size_t>(kRows * set.classes())),
        sampled_(static_cast<size_t>(kRows * set.samples * set.classes())) {}

  void Predict(const anneal::DatasetSplit& split, anneal::PredictionChunk& chunk) {
    std::vector<uint32_t> indices(kRows);
    std::vector<anneal::MonteCarloRow> masks(kRows);
    const int64_t classes = set_.classes();
    for (int64_t first = 0; first < chunk.count; first += kRows) {
      const int64_t count = std::min(kRows, chunk.count - first);
      for (int64_t n = 0; n < kRows; ++n)
        indices[n] = static_cast<uint32_t>(chunk.begin + first + std::min(n, count - 1));
      preparation_.Prepare(network_.kernels(), split, indices.data(), images_);
      deterministic_->input().copy_(images_);
      network_.Forward(*deterministic_, anneal::StepContext{});
      Take(deterministic_->output(), of_all_.data(), classes);
      for (int64_t sample = 0; sample < set_.samples; ++sample) {
        for (int64_t n = 0; n < kRows; ++n)
          masks[n] = {static_cast<uint32_t>(sample), indices[n]};
        workspace_->input().copy_(images_);
        anneal::StepContext context;
        context.seed = set_.seed;
        context.rows = masks.data();
        network_.Forward(*workspace_, context);
        Take(workspace_->output(), sampled_.data() + sample * classes, set_.samples * classes);
      }
      for (int64_t n = 0; n < count; ++n) {
        anneal::ImageProbabilities image;
        image.label = split.labels[indices[n]];
        image.classes = classes;
        image.deterministic = of_all_.data() + n * classes;
        image.samples = set_.samples;
        image.sampled = sampled_.data() + n * set_.samples * classes;
        anneal::MeasureImage(image, first + n, chunk);
      }
    }
  }

  // One pass of one block.
  void Pass() {
    std::vector<anneal::MonteCarloRow> masks(kRows);
    anneal::StepContext context;
    context.rows = masks.data();
    network_.Forward(*workspace_, context);
    anneal::ToProbabilities(network_.kernels(), kind_, workspace_->output(), probabilities_);
  }

 private:
  // Row n of the output goes to `out` + n * stride.
  void Take(const at::Tensor& output, float* out, int64_t stride) {
    anneal::ToProbabilities(network_.kernels(), kind_, output, probabilities_);
    const auto* const rows = static_cast<const float*>(probabilities_.data_ptr());
    const int64_t classes = set_.classes();
    for (int64_t n = 0; n < kRows; ++n)
      std::copy(rows + n * classes, rows + (n + 1) * classes, out + n * stride);
  }

  const anneal::Network& network_;
  const anneal::InputPreparation& preparation_;
  const anneal::OutputKind kind_;
  const anneal::PredictionSet& set_;
  anneal::WorkspacePool pool_;
  anneal::WorkspacePool deterministic_pool_;
  std::unique_ptr<anneal::Workspace> workspace_;
  std::unique_ptr<anneal::Workspace> deterministic_;
  at::Tensor images_;
  at::Tensor probabilities_;
  std::vector<float> of_all_;
  std::vector<float> sampled_;
};

}  // namespace

int main(int argc, char** argv) {
  const int64_t images = argc > 2 ? std::atoll(argv[2]) : 256;
  const int64_t samples = argc > 3 ? std::atoll(argv[3]) : 100;
  const int rounds = argc > 4 ? std::atoi(argv[4]) : 3;
  if (argc < 2 || images < 1 || images > 2000 || samples < 1 || rounds < 1) {
    std::fprintf(stderr, "usage: %s JOB_FILE [IMAGES (at most 2000) [SAMPLES [ROUNDS]]]\n", argv[0]);
    return 2;
  }
  anneal::DatasetRegistry datasets;
  const absl::StatusOr<anneal::v1::JobSpec> job = anneal::bench::ReadJobFile(argv[1], datasets);
  if (!job.ok()) return Fail(job.status().ToString());
  const anneal::ValidationResult validation = anneal::Validate(*job, datasets);
  if (!validation.spec.has_value()) {
    return Fail(validation.violations[0].field + ": " + validation.violations[0].description);
  }
  const anneal::ValidatedSpec& spec = *validation.spec;

  const anneal::ThreadSettings settings;
  const std::shared_ptr<const anneal::Dataset> dataset = *datasets.Load(spec.dataset().name);
  const std::unique_ptr<anneal::Network> network =
      anneal::Network::Create(spec, anneal::MakeCpuKernels());
  const anneal::InputPreparation preparation = anneal::InputPreparation::Fit(
      spec.training().input(), spec.dataset().shape, anneal::ChooseSamples(spec, *dataset).train);
  const anneal::OutputKind kind = anneal::OutputKindOf(spec);
  if (network->FirstActiveDropout() == network->layer_count())
    return Fail("the network has no dropout");

  anneal::PredictionSet set;
  set.class_names = spec.dataset().class_names;
  set.samples = samples;
  set.images = images;
  const anneal::DatasetSplit& split = *dataset->FindSplit("test");
  MonteCarloDropout ours(*network, preparation, kind, set);
  if (ours.rows() != kRows) return Fail("the network's activations are too large for full blocks");
  NaiveLoop naive(*network, preparation, kind, set);
  anneal::PredictionChunk of_ours = anneal::MakePredictionChunk(set, 0, images);
  anneal::PredictionChunk of_naive = anneal::MakePredictionChunk(set, 0, images);

  anneal::WorkspacePool pool(network->kernels().device());
  const auto before = network->MakeWorkspace(kRows, anneal::Mode::kInference, pool, 0,
                                             network->FirstActiveDropout());
  const auto predict = [&] {
    (void)ours.Predict(split, [](int64_t) { return true; }, of_ours);
  };
  std::vector<double> times[4];  // ours, naive, the layers before, a pass
  for (int round = 0; round < rounds; ++round) {
    times[0].push_back(Milliseconds(predict));
    times[1].push_back(Milliseconds([&] { naive.Predict(split, of_naive); }));
    for (int k = 0; k < 10; ++k) {
      times[2].push_back(
          Milliseconds([&] { network->Forward(*before, anneal::StepContext{}); }));
      times[3].push_back(Milliseconds([&] { naive.Pass(); }));
    }
  }
  if (of_ours.measures != of_naive.measures || of_ours.probabilities != of_naive.probabilities ||
      of_ours.deviations != of_naive.deviations)
    return Fail("the two do not agree");
  double best[4];
  for (int k = 0; k < 4; ++k) best[k] = *std::min_element(times[k].begin(), times[k].end());
  const double f = best[2] / best[3];
  const auto t = static_cast<double>(samples);
  const double possible = t / (f + (1 - f) * t);
  const double speed_up = best[1] / best[0];
  std::printf("%s: %lld images, %lld samples, best of %d\n", job->name().c_str(),
              static_cast<long long>(images), static_cast<long long>(samples), rounds);
  std::printf("  naive %.1f ms, ours %.1f ms (%.2f us an image and sample), same bits\n", best[1],
              best[0], best[0] * 1000 / static_cast<double>(images * samples));
  std::printf("  f = %.4f of a pass (%.1f us an image) is before the first active dropout\n", f,
              best[3] * 1000 / static_cast<double>(kRows));
  std::printf("  speed-up %.2f; possible %.2f, share reached %.2f (asked for: 0.80)\n", speed_up,
              possible, speed_up / possible);
  return 0;
}
