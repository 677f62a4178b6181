// How weights begin: the initializers of Keras 3.
//
// The value of element e is a pure function of (seed, weight index, e, spec, fans): it depends
// neither on the other elements nor on how many there are, and weights may be filled in any order
// and by any thread.
#pragma once

#include <cstdint>

#include "anneal/v1/network.pb.h"

namespace anneal {

// Connections into and out of one unit. Dense [in, out]: those two; Conv2D [kh, kw, C, filters]: kh
// kw C and kh kw filters; a bias of n values: n and n, as in Keras (where only VarianceScaling and
// its relatives look at them).
struct Fans {
  int64_t in = 0;
  int64_t out = 0;
};

// Fills `weights` (float32, `count` values, 0 <= count <= 2^32) as `spec` says, or as
// `default_spec` where `spec` has no kind; where neither has one, with zeros. `weight_index` (<
// 2^24) tells the weights of one network apart: two weights with the same index begin with the same
// numbers. Normals come from RandomStream{seed, kInitializer, weight_index, attempt} by
// NormalDouble, uniforms from its words by UniformDouble (element e is word e % 4 of block e / 4),
// both computed in double and rounded once. A truncated normal that lands further than two standard
// deviations from the mean is drawn again from the next attempt; attempts count from 0.
void Initialize(const v1::Initializer& spec, const v1::Initializer& default_spec, Fans fans,
                uint64_t seed, uint32_t weight_index, float* weights, int64_t count);

}  // namespace anneal
