// How the CPU's loops are compiled for several processors.
#pragma once

// A function marked so is compiled for AVX-512, AVX2 and the baseline, and the best is chosen when
// the program is loaded. Not under sanitizers, whose run-time is not ready that early.
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define ANNEAL_VECTORIZED \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define ANNEAL_VECTORIZED
#endif
#define ANNEAL_INLINE inline __attribute__((always_inline))
