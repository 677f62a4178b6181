// Random numbers as a pure function: Philox4x32-10 (Salmon et al., "Parallel random numbers: as
// easy as 1, 2, 3", SC 2011; the implementation is Random123's).
//
// Nothing here has state. The key is the job's seed; the 128-bit counter says what the number is
// for:
//
//   word 0    block: four consecutive elements share a block (element / 4)
//   word 1,2  position: an epoch, a step, or (image, sample), as the purpose says
//   word 3    purpose in the top 8 bits, layer (or another index below 2^24) in the rest
//
// so shuffles, initial weights and dropout masks depend neither on what else runs in the process,
// nor on the order in which they are asked for, nor on batch size or threads.
#pragma once

#include <array>
#include <cstdint>

namespace anneal {

enum class RandomPurpose : uint32_t {
  kInitializer = 1,   // layer: index of the weight; position: attempt of a rejection
  kShuffle = 2,       // position: epoch
  kDropout = 3,       // layer: index of the layer; position: step
  kSynthetic = 4,     // generated data
  kNoise = 5,         // layer: index of the layer; position: step
  kAugmentation = 6,  // layer: index of the input step; position: step of the training
  kSweep = 7,         // layer: index of the parameter; position: index of the trial
  kMonteCarlo = 8,    // layer: index of the layer; position: image * 2^32 + sample
};

struct RandomStream {
  uint64_t seed = 0;
  RandomPurpose purpose = RandomPurpose::kInitializer;
  uint32_t layer = 0;  // < 2^24
  uint64_t position = 0;

  // Four independent uniform 32-bit words.
  std::array<uint32_t, 4> Block(uint32_t block) const;
};

// [0, 1), every multiple of 2^-24 equally likely.
inline float UniformFloat(uint32_t bits) { return static_cast<float>(bits >> 8) * 0x1p-24F; }

// (0, 1): never 0, so its logarithm is finite. Steps of 2^-32.
inline double UniformDouble(uint32_t bits) { return (static_cast<double>(bits) + 0.5) * 0x1p-32; }

// The standard normal number of element `element` of `stream`, by the transform of Box and Muller
// (1958).
double NormalDouble(const RandomStream& stream, uint32_t element);

}  // namespace anneal
