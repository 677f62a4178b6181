// Pooling over [N, H, W, C]: the innermost loop runs over the channels, which lie together.
#include <algorithm>
#include <cstring>

#include "server/engine/kernels/cpu_loops.h"
#include "server/engine/kernels/vectorized.h"

namespace anneal::cpu {
namespace {

// The places of the window at (i, j) that lie inside the image: rows [h0, h1), columns [w0, w1) of
// x.
struct Window {
  int64_t top, left, h0, h1, w0, w1;
};

ANNEAL_INLINE Window WindowAt(const Pool& pool, int64_t i, int64_t j) {
  const int64_t top = i * pool.stride_height - pool.pad_top;
  const int64_t left = j * pool.stride_width - pool.pad_left;
  return {top,
          left,
          std::max<int64_t>(top, 0),
          std::min(top + pool.kernel_height, pool.height),
          std::max<int64_t>(left, 0),
          std::min(left + pool.kernel_width, pool.width)};
}

}  // namespace

ANNEAL_VECTORIZED void MaxPool(const Pool& pool, const float* x, float* y, uint8_t* choice) {
  const int64_t channels = pool.channels;
  for (int64_t n = 0; n < pool.samples; ++n) {
    const float* const image = x + n * pool.height * pool.width * channels;
    for (int64_t i = 0; i < pool.out_height; ++i) {
      for (int64_t j = 0; j < pool.out_width; ++j) {
        const Window window = WindowAt(pool, i, j);
        const int64_t out = ((n * pool.out_height + i) * pool.out_width + j) * channels;
        float* const best = y + out;
        uint8_t* const place = choice + out;
        bool first = true;
        for (int64_t h = window.h0; h < window.h1; ++h) {
          for (int64_t w = window.w0; w < window.w1; ++w) {
            const float* const pixel = image + (h * pool.width + w) * channels;
            const auto here =
                static_cast<uint8_t>((h - window.top) * pool.kernel_width + (w - window.left));
            if (first) {
              for (int64_t c = 0; c < channels; ++c) best[c] = pixel[c];
              std::memset(place, here, static_cast<size_t>(channels));
              first = false;
              continue;
            }
            // Not (pixel <= best): a NaN wins, so that it is seen at the end.
            for (int64_t c = 0; c < channels; ++c) place[c] = pixel[c] <= best[c] ? place[c] : here;
            for (int64_t c = 0; c < channels; ++c)
              best[c] = pixel[c] <= best[c] ? best[c] : pixel[c];
          }
        }
      }
    }
  }
}

ANNEAL_VECTORIZED void MaxPoolBackward(const Pool& pool, const uint8_t* choice, const float* dy,
                                       float* dx) {
  const int64_t channels = pool.channels;
  std::memset(
      dx, 0,
      static_cast<size_t>(pool.samples * pool.height * pool.width * channels) * sizeof(float));
  for (int64_t n = 0; n < pool.samples; ++n) {
    float* const image = dx + n * pool.height * pool.width * channels;
    for (int64_t i = 0; i < pool.out_height; ++i) {
      for (int64_t j = 0; j < pool.out_width; ++j) {
        const Window window = WindowAt(pool, i, j);
        const int64_t out = ((n * pool.out_height + i) * pool.out_width + j) * channels;
        const float* const gradient = dy + out;
        const uint8_t* const place = choice + out;
        for (int64_t h = window.h0; h < window.h1; ++h) {
          for (int64_t w = window.w0; w < window.w1; ++w) {
            float* const pixel = image + (h * pool.width + w) * channels;
            const auto here =
                static_cast<uint8_t>((h - window.top) * pool.kernel_width + (w - window.left));
            for (int64_t c = 0; c < channels; ++c)
              pixel[c] += place[c] == here ? gradient[c] : 0.0F;
          }
        }
      }
    }
  }
}

ANNEAL_VECTORIZED void AveragePool(const Pool& pool, const float* x, float* y) {
  const int64_t channels = pool.channels;
  for (int64_t n = 0; n < pool.samples; ++n) {
    const float* const image = x + n * pool.height * pool.width * channels;
    for (int64_t i = 0; i < pool.out_height; ++i) {
      for (int64_t j = 0; j < pool.out_width; ++j) {
        const Window window = WindowAt(pool, i, j);
        float* const mean = y + ((n * pool.out_height + i) * pool.out_width + j) * channels;
        const float share =
            1.0F / static_cast<float>((window.h1 - window.h0) * (window.w1 - window.w0));
        for (int64_t c = 0; c < channels; ++c) mean[c] = 0.0F;
        for (int64_t h = window.h0; h < window.h1; ++h) {
          for (int64_t w = window.w0; w < window.w1; ++w) {
            const float* const pixel = image + (h * pool.width + w) * channels;
            for (int64_t c = 0; c < channels; ++c) mean[c] += pixel[c];
          }
        }
        for (int64_t c = 0; c < channels; ++c) mean[c] *= share;
      }
    }
  }
}

ANNEAL_VECTORIZED void AveragePoolBackward(const Pool& pool, const float* dy, float* dx) {
  const int64_t channels = pool.channels;
  std::memset(
      dx, 0,
      static_cast<size_t>(pool.samples * pool.height * pool.width * channels) * sizeof(float));
  for (int64_t n = 0; n < pool.samples; ++n) {
    float* const image = dx + n * pool.height * pool.width * channels;
    for (int64_t i = 0; i < pool.out_height; ++i) {
      for (int64_t j = 0; j < pool.out_width; ++j) {
        const Window window = WindowAt(pool, i, j);
        const float* const gradient =
            dy + ((n * pool.out_height + i) * pool.out_width + j) * channels;
        const float share =
            1.0F / static_cast<float>((window.h1 - window.h0) * (window.w1 - window.w0));
        for (int64_t h = window.h0; h < window.h1; ++h) {
          for (int64_t w = window.w0; w < window.w1; ++w) {
            float* const pixel = image + (h * pool.width + w) * channels;
            for (int64_t c = 0; c < channels; ++c) pixel[c] += gradient[c] * share;
          }
        }
      }
    }
  }
}

}  // namespace anneal::cpu
