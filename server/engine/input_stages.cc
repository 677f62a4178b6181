#include "server/engine/input_stages.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "server/core/random.h"

namespace anneal {
namespace {

class AffineStage final : public InputPreparation::Stage {
 public:
  AffineStage(at::Tensor scale, at::Tensor shift)
      : scale_(std::move(scale)), shift_(std::move(shift)) {}

  void Apply(at::Tensor& images, const AugmentationContext*) const override {
    at::Tensor rows = images.view({images.size(0), -1});
    rows.mul_(scale_.to(images.device())).add_(shift_.to(images.device()));
  }

  std::vector<NamedTensor> Fitted() const override {
    return {{"scale", scale_}, {"shift", shift_}};
  }

 private:
  const at::Tensor scale_;
  const at::Tensor shift_;
};

class L2NormalizeStage final : public InputPreparation::Stage {
 public:
  explicit L2NormalizeStage(int64_t axis) : axis_(axis) {}

  void Apply(at::Tensor& images, const AugmentationContext*) const override {
    images.mul_(images.square().sum(axis_, true).clamp_min(1e-12).rsqrt());
  }

 private:
  const int64_t axis_;
};

// Four words for each image of a batch, by its place in the step.
std::array<uint32_t, 4> Draw(const AugmentationContext& context, uint32_t index, int64_t image) {
  return RandomStream{context.seed, RandomPurpose::kAugmentation, index,
                      static_cast<uint64_t>(context.step)}
      .Block(static_cast<uint32_t>(image));
}

class RandomFlipStage final : public InputPreparation::Stage {
 public:
  explicit RandomFlipStage(uint32_t index) : index_(index) {}

  void Apply(at::Tensor& images, const AugmentationContext* augmentation) const override {
    if (augmentation == nullptr) return;
    for (int64_t n = 0; n < images.size(0); ++n) {
      if ((Draw(*augmentation, index_, n)[0] >> 31) == 0) continue;
      at::Tensor image = images[n];
      image.copy_(image.flip(1));
    }
  }

 private:
  const uint32_t index_;
};

class RandomTranslationStage final : public InputPreparation::Stage {
 public:
  RandomTranslationStage(double height_factor, double width_factor, uint32_t index)
      : height_factor_(height_factor), width_factor_(width_factor), index_(index) {}

  void Apply(at::Tensor& images, const AugmentationContext* augmentation) const override {
    if (augmentation == nullptr) return;
    for (int64_t n = 0; n < images.size(0); ++n) {
      const std::array<uint32_t, 4> words = Draw(*augmentation, index_, n);
      at::Tensor image = images[n];
      const at::Tensor rows = Sources(image.size(0), height_factor_, words[0]).to(image.device());
      const at::Tensor columns = Sources(image.size(1), width_factor_, words[1]).to(image.device());
      image.copy_(image.index_select(0, rows).index_select(1, columns));
    }
  }

 private:
  // For each pixel of an axis, the one it is taken from: all shifts of -limit .. limit pixels are
  // equally likely.
  static at::Tensor Sources(int64_t size, double factor, uint32_t word) {
    const auto limit = static_cast<int64_t>(std::floor(factor * static_cast<double>(size)));
    const auto shift =
        static_cast<int64_t>(UniformDouble(word) * static_cast<double>(2 * limit + 1)) - limit;
    return (at::arange(size, at::TensorOptions().dtype(at::kLong)) - shift).clamp_(0, size - 1);
  }

  const double height_factor_;
  const double width_factor_;
  const uint32_t index_;
};

}  // namespace

std::shared_ptr<const InputPreparation::Stage> MakeAffineStage(const at::Tensor& scale,
                                                               const at::Tensor& shift) {
  return std::make_shared<AffineStage>(scale, shift);
}
std::shared_ptr<const InputPreparation::Stage> MakeL2NormalizeStage(int64_t axis) {
  return std::make_shared<L2NormalizeStage>(axis);
}
std::shared_ptr<const InputPreparation::Stage> MakeRandomFlipStage(uint32_t index) {
  return std::make_shared<RandomFlipStage>(index);
}
std::shared_ptr<const InputPreparation::Stage> MakeRandomTranslationStage(double height_factor,
                                                                          double width_factor,
                                                                          uint32_t index) {
  return std::make_shared<RandomTranslationStage>(height_factor, width_factor, index);
}

}  // namespace anneal
