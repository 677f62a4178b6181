// Convolution and pooling in ATen operations. Images [N, H, W, C] are seen as [N, C, H, W];
// asymmetric padding is added as a step of its own.
#include <limits>
#include <utility>
#include <vector>

#include "server/engine/kernels/aten_kernels.h"

namespace anneal {
namespace {

at::Tensor PaddedImages(const WindowGeometry& window, const at::Tensor& x, double value) {
  return at::constant_pad_nd(x.permute({0, 3, 1, 2}),
                             {window.pad_left, window.pad_right, window.pad_top, window.pad_bottom},
                             value);
}

// Takes the padding off again: [N, C, H + p, W + p] -> [N, H, W, C].
at::Tensor CroppedImages(const WindowGeometry& window, const at::Tensor& padded,
                         const at::Tensor& like) {
  return padded.narrow(2, window.pad_top, like.size(1))
      .narrow(3, window.pad_left, like.size(2))
      .permute({0, 2, 3, 1});
}

// Every window of x as its own axis: [N, C, H', W', KH * KW].
at::Tensor Places(const WindowGeometry& window, const at::Tensor& x, double padding) {
  return PaddedImages(window, x, padding)
      .unfold(2, window.kernel_height, window.stride_height)
      .unfold(3, window.kernel_width, window.stride_width)
      .flatten(4);
}

// dx = the sum over the window's places k of share(k), each put back where it was taken from.
// share(k): [N, H', W', C].
template <typename Share>
void ScatterPlaces(const WindowGeometry& window, const Share& share, int64_t out_height,
                   int64_t out_width, at::Tensor& dx) {
  at::Tensor padded =
      at::zeros({dx.size(0), dx.size(3), dx.size(1) + window.pad_top + window.pad_bottom,
                 dx.size(2) + window.pad_left + window.pad_right},
                dx.options());
  const int64_t rows = (out_height - 1) * window.stride_height + 1;
  const int64_t columns = (out_width - 1) * window.stride_width + 1;
  for (int64_t h = 0; h < window.kernel_height; ++h) {
    for (int64_t w = 0; w < window.kernel_width; ++w) {
      padded.slice(2, h, h + rows, window.stride_height)
          .slice(3, w, w + columns, window.stride_width)
          .add_(share(h * window.kernel_width + w).permute({0, 3, 1, 2}));
    }
  }
  dx.copy_(CroppedImages(window, padded, dx));
}

// How many places of each window lie in the image: [1, H', W', 1].
at::Tensor PlaceCounts(const WindowGeometry& window, const at::Tensor& x) {
  return Places(window, at::ones({1, x.size(1), x.size(2), 1}, x.options()), 0)
      .sum(4)
      .permute({0, 2, 3, 1});
}

class AtenConvolution final : public ConvolutionKernel {
 public:
  AtenConvolution(const WindowGeometry& window, ConvolutionTensors tensors)
      : window_(window), tensors_(std::move(tensors)) {}

  void Forward() override {
    tensors_.y.copy_(at::conv2d(PaddedImages(window_, tensors_.x, 0), Weights(), Bias(), Strides(),
                                at::IntArrayRef(kNoPadding), Dilation(), tensors_.groups)
                         .permute({0, 2, 3, 1}));
  }

  void Backward() override {
    const bool has_bias = tensors_.bias.defined();
    const auto [dx, dw, db] = at::convolution_backward(
        tensors_.dy.permute({0, 3, 1, 2}), PaddedImages(window_, tensors_.x, 0), Weights(),
        has_bias ? at::OptionalIntArrayRef(tensors_.bias.sizes()) : at::OptionalIntArrayRef(),
        Strides(), {0, 0}, Dilation(), false, {0, 0}, tensors_.groups,
        {tensors_.dx.defined(), true, has_bias});
    tensors_.kernel_gradient.copy_(dw.permute({2, 3, 1, 0}));
    if (has_bias) tensors_.bias_gradient.copy_(db);
    if (tensors_.dx.defined()) tensors_.dx.copy_(CroppedImages(window_, dx, tensors_.dx));
  }

 private:
  at::Tensor Weights() const { return tensors_.kernel.permute({3, 2, 0, 1}); }
  c10::optional<at::Tensor> Bias() const {
    return tensors_.bias.defined() ? c10::optional<at::Tensor>(tensors_.bias) : c10::nullopt;
  }
  std::vector<int64_t> Strides() const { return {window_.stride_height, window_.stride_width}; }
  std::vector<int64_t> Dilation() const {
    return {window_.dilation_height, window_.dilation_width};
  }

  static constexpr int64_t kNoPadding[2] = {0, 0};  // it has been added
  const WindowGeometry window_;
  ConvolutionTensors tensors_;
};

}  // namespace

std::unique_ptr<ConvolutionKernel> AtenKernels::MakeConvolution(const WindowGeometry& window,
                                                                const ConvolutionTensors& tensors) {
  return std::make_unique<AtenConvolution>(window, tensors);
}

void AtenKernels::MaxPool(const WindowGeometry& window, const at::Tensor& x, at::Tensor& y,
                          at::Tensor& choice) {
  const auto [largest, index] = Places(window, x, -std::numeric_limits<double>::infinity()).max(4);
  y.copy_(largest.permute({0, 2, 3, 1}));
  choice.copy_(index.permute({0, 2, 3, 1}));
}

void AtenKernels::MaxPoolBackward(const WindowGeometry& window, const at::Tensor& choice,
                                  const at::Tensor& dy, at::Tensor& dx) {
  ScatterPlaces(
      window, [&](int64_t place) { return dy * choice.eq(place); }, dy.size(1), dy.size(2), dx);
}

void AtenKernels::AveragePool(const WindowGeometry& window, const at::Tensor& x, at::Tensor& y) {
  y.copy_(Places(window, x, 0).sum(4).permute({0, 2, 3, 1}) / PlaceCounts(window, x));
}

void AtenKernels::AveragePoolBackward(const WindowGeometry& window, const at::Tensor& dy,
                                      at::Tensor& dx) {
  const at::Tensor share = dy / PlaceCounts(window, dx);
  ScatterPlaces(
      window, [&](int64_t) { return share; }, dy.size(1), dy.size(2), dx);
}

}  // namespace anneal
