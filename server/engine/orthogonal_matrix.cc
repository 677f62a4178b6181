// Gram and Schmidt's process, modified and repeated: from each new vector its projections on all
// vectors before are taken off one after the other, twice. Twice is enough to be orthogonal to the
// last bit or two, however close to each other the vectors began (Giraud et al. 2005). R's diagonal
// is made of norms, so its signs need no correction.
//
// Vectors are made kWidth at a time: a vector of before then passes through the processor's cache
// once for all of them rather than once for each, and the loops run over the kWidth vectors, whose
// sums are independent of one another, so that they become vector instructions without any sum
// being reordered.
#include "server/engine/orthogonal_matrix.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "server/engine/kernels/vectorized.h"

namespace anneal {
namespace {

constexpr int64_t kWidth = 32;

// Takes q's share out of each of the vectors in `block` [length, kWidth], q [length] being of unit
// length.
ANNEAL_VECTORIZED
void Project(int64_t length, const double* __restrict q, double* __restrict block) {
  double share[kWidth] = {};
  for (int64_t i = 0; i < length; ++i) {
    for (int64_t j = 0; j < kWidth; ++j) share[j] += q[i] * block[i * kWidth + j];
  }
  for (int64_t i = 0; i < length; ++i) {
    for (int64_t j = 0; j < kWidth; ++j) block[i * kWidth + j] -= q[i] * share[j];
  }
}

double Dot(int64_t length, const double* a, const double* b) {
  double sum = 0;
  for (int64_t i = 0; i < length; ++i) sum += a[i] * b[i];
  return sum;
}

// Takes the shares of the `before` vectors at `q` out of the one that follows them, then makes it
// of unit length.
void Orthonormalize(int64_t length, double* q, int64_t before) {
  double* const vector = q + before * length;
  for (int pass = 0; pass < 2; ++pass) {
    for (int64_t k = 0; k < before; ++k) {
      const double share = Dot(length, q + k * length, vector);
      for (int64_t i = 0; i < length; ++i) vector[i] -= share * q[k * length + i];
    }
  }
  const double norm = std::sqrt(Dot(length, vector, vector));
  for (int64_t i = 0; i < length; ++i) vector[i] /= norm;
}

}  // namespace

void FillOrthogonal(const RandomStream& stream, int64_t rows, int64_t columns, double gain,
                    float* matrix) {
  const int64_t length = std::max(rows, columns);
  const int64_t count = std::min(rows, columns);
  std::vector<double> vectors(static_cast<size_t>(length * count));  // one after the other
  std::vector<double> block(static_cast<size_t>(length * kWidth));
  for (int64_t first = 0; first < count; first += kWidth) {
    const int64_t width = std::min(kWidth, count - first);
    std::fill(block.begin(), block.end(), 0.0);
    for (int64_t i = 0; i < length; ++i) {
      for (int64_t j = 0; j < width; ++j) {
        block[static_cast<size_t>(i * kWidth + j)] =
            NormalDouble(stream, static_cast<uint32_t>(i * count + first + j));
      }
    }
    for (int pass = 0; pass < 2; ++pass) {
      for (int64_t k = 0; k < first; ++k)
        Project(length, &vectors[static_cast<size_t>(k * length)], block.data());
    }
    double* const made = vectors.data() + first * length;
    for (int64_t j = 0; j < width; ++j) {
      for (int64_t i = 0; i < length; ++i)
        made[j * length + i] = block[static_cast<size_t>(i * kWidth + j)];
      Orthonormalize(length, made, j);
    }
  }
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) {
      const int64_t e = rows >= columns ? c * length + r : r * length + c;
      matrix[r * columns + c] = static_cast<float>(gain * vectors[static_cast<size_t>(e)]);
    }
  }
}

}  // namespace anneal
