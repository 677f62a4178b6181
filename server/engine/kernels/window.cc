#include <algorithm>

#include "server/engine/kernels/kernels.h"

namespace anneal {

WindowGeometry MakeWindow(int64_t input_height, int64_t input_width, int64_t kernel_height, int64_t kernel_width,
                          int64_t stride_height, int64_t stride_width, v1::Padding padding) {
  WindowGeometry window;
  window.kernel_height = kernel_height;
  window.kernel_width = kernel_width;
  window.stride_height = stride_height;
  window.stride_width = stride_width;
  if (padding == v1::SAME) {
    const auto total = [](int64_t input, int64_t kernel, int64_t stride) {
      const int64_t output = (input + stride - 1) / stride;
      return std::max<int64_t>(0, (output - 1) * stride + kernel - input);
    };
    const int64_t vertical = total(input_height, kernel_height, stride_height);
    const int64_t horizontal = total(input_width, kernel_width, stride_width);
    window.pad_top = vertical / 2;
    window.pad_bottom = vertical - window.pad_top;
    window.pad_left = horizontal / 2;
    window.pad_right = horizontal - window.pad_left;
  }
  return window;
}

}  // namespace anneal
