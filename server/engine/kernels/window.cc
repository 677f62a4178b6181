#include <algorithm>

#include "server/engine/kernels/kernels.h"

namespace anneal {

WindowGeometry MakeWindow(int64_t input_height, int64_t input_width, int64_t kernel_height,
                          int64_t kernel_width, int64_t stride_height, int64_t stride_width,
                          v1::Padding padding, int64_t dilation_height, int64_t dilation_width) {
  WindowGeometry window;
  window.kernel_height = kernel_height;
  window.kernel_width = kernel_width;
  window.stride_height = stride_height;
  window.stride_width = stride_width;
  window.dilation_height = dilation_height;
  window.dilation_width = dilation_width;
  if (padding == v1::SAME) {
    const auto total = [](int64_t input, int64_t kernel, int64_t stride, int64_t dilation) {
      const int64_t output = (input + stride - 1) / stride;
      const int64_t extent = (kernel - 1) * dilation + 1;
      return std::max<int64_t>(0, (output - 1) * stride + extent - input);
    };
    const int64_t vertical = total(input_height, kernel_height, stride_height, dilation_height);
    const int64_t horizontal = total(input_width, kernel_width, stride_width, dilation_width);
    window.pad_top = vertical / 2;
    window.pad_bottom = vertical - window.pad_top;
    window.pad_left = horizontal / 2;
    window.pad_right = horizontal - window.pad_left;
  }
  return window;
}

Activation MakeActivationOf(ActivationFunction function) {
  switch (function) {
    case v1::Activation::LEAKY_RELU:
      return {function, 0.2};
    case v1::Activation::ELU:
      return {function, 1.0};
    default:
      return {function, 0.0};
  }
}

}  // namespace anneal
