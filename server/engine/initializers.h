// How weights begin: the initializers of Keras 3.
//
// A weight is a pure function of (seed, weight index, spec, shape, fans): weights may be filled in
// any order and by any thread. All initializers but orthogonal also compute each element from its
// own index alone, whatever the others are and however many.
#pragma once

#include <cstdint>
#include <vector>

#include "anneal/v1/network.pb.h"

namespace anneal {

// Connections into and out of one unit. Dense [in, out]: those two; Conv2D [kh, kw, C, filters]: kh
// kw C and kh kw filters; a bias of n values: n and n, as in Keras (where only VarianceScaling and
// its relatives look at them).
struct Fans {
  int64_t in = 0;
  int64_t out = 0;
};

// Fills `weights` (float32, row-major, of `shape`; at most 2^32 values) as `spec` says, whose kind
// must be set; without a kind, with zeros. Identity needs a shape [n, m]; orthogonal takes [.., m]
// for the matrix of its last axis by the rest. `weight_index` (< 2^24) tells the weights of one
// network apart: two weights with the same index begin with the same numbers. Normals come from
// RandomStream{seed, kInitializer, weight_index, attempt} by NormalDouble, uniforms from its words
// by UniformDouble (element e is word e % 4 of block e / 4), both computed in double and rounded
// once. A truncated normal that lands further than two standard deviations from the mean is drawn
// again from the next attempt; attempts count from 0. Orthogonal: orthogonal_matrix.h.
void Initialize(const v1::Initializer& spec, const std::vector<int64_t>& shape, Fans fans,
                uint64_t seed, uint32_t weight_index, float* weights);

}  // namespace anneal
