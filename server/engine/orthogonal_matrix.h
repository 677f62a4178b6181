// Random matrices with orthonormal columns or rows.
#pragma once

#include <cstdint>

#include "server/core/random.h"

namespace anneal {

// Fills `matrix` (float32 [rows, columns], rows * columns <= 2^32) with gain times a matrix whose
// columns (or rows, where those are fewer) are orthonormal: Q of the QR decomposition of a matrix
// of standard normal numbers A [longer side, shorter side], with R's diagonal positive, transposed
// where rows < columns (Saxe et al. 2014; Keras 3). With those signs Q is distributed uniformly
// (Mezzadri 2007). Element e of A is NormalDouble(stream, e). Computed in double, and rounded once.
//
// Takes 4 rows columns min(rows, columns) multiplications and additions: about a second for
// 3072 x 1000.
void FillOrthogonal(const RandomStream& stream, int64_t rows, int64_t columns, double gain,
                    float* matrix);

}  // namespace anneal
