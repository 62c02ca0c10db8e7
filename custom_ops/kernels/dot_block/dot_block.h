// The one inner loop of both paths: Pixels x Channels dot products at once, the reduction in the lanes.
//
//   sums[p * Channels + q] = Σ_taps x[p][tap] · w[q][tap]
//
// x[p] points at pixel p's first tap in a packed patch, w[q] at a channel's packed weights.
//
// Why the lanes hold the reduction: single outputs (any pixel of any channel) then cost no more than blocks, so the
// sparse path works at the granularity of the masks, and both paths read the same packed weights. Measured on Zen 4, 64
// channels, 3x3, one thread, GMAC/s of 57 at peak: 6 x 4 with AVX-512 53, 3 x 4 with AVX2 52; single channels, 8 x 1,
// 44 with either, bound by the loads (9 for 8 multiply-adds). An outer-product kernel (pixels broadcast, channels in
// the lanes) is up to 1.1 times as fast on the pattern but needs a second packing and cannot do single outputs.
#pragma once

#include <algorithm>

#include "kernels/vector_kernels.h"

namespace zaponnx {

// Floats that dot_block writes to `sums`: the products, rounded up to a multiple of 8.
constexpr int dot_block_sums(int count) { return (count + 7) / 8 * 8; }

// Fetches so many floats into L2.
inline void prefetch(const float* data, int64_t floats) {
  constexpr int64_t kLine = 16;
  for (int64_t i = 0; i < floats; i += kLine) __builtin_prefetch(data + i, 0, 2);
}

template <typename Isa, int Pixels, int Channels>
[[gnu::always_inline]] inline void dot_block(const float* const (&x)[Pixels], const float* const (&w)[Channels],
                                             const TapRuns& taps, float* sums) {
  using Vector = typename Isa::Vector;
  constexpr int kPadded = dot_block_sums(Pixels * Channels);
  // gcc keeps these arrays in memory unless every loop over them is unrolled.
  Vector total[kPadded];
#pragma GCC unroll 32
  for (int i = 0; i < kPadded; ++i) total[i] = Isa::zero();
  // One index for all pixels and one for all weights, or the compiler moves a pointer for each.
  int64_t tap = 0;
  for (int32_t run = 0; run < taps.count; ++run) {
    const int64_t end = taps.offset[run] + taps.length;
    for (int64_t at = taps.offset[run]; at < end; at += Isa::kLanes, tap += Isa::kLanes) {
      // Up to three weights are held in registers while the pixels are loaded one by one; with four, it is the pixels.
      if constexpr (Channels <= std::min(3, Pixels)) {
        Vector weight[Channels];
#pragma GCC unroll 32
        for (int q = 0; q < Channels; ++q) weight[q] = Isa::load(w[q] + tap);
#pragma GCC unroll 32
        for (int p = 0; p < Pixels; ++p) {
          const Vector pixel = Channels == 1 ? Isa::load(x[p] + at) : Isa::load_once(x[p] + at);
#pragma GCC unroll 32
          for (int q = 0; q < Channels; ++q) {
            total[p * Channels + q] = Isa::fma(pixel, weight[q], total[p * Channels + q]);
          }
        }
      } else {
        Vector pixel[Pixels];
#pragma GCC unroll 32
        for (int p = 0; p < Pixels; ++p) pixel[p] = Isa::load(x[p] + at);
#pragma GCC unroll 32
        for (int q = 0; q < Channels; ++q) {
          const Vector weight = Pixels == 1 ? Isa::load(w[q] + tap) : Isa::load_once(w[q] + tap);
#pragma GCC unroll 32
          for (int p = 0; p < Pixels; ++p) {
            total[p * Channels + q] = Isa::fma(pixel[p], weight, total[p * Channels + q]);
          }
        }
      }
    }
  }
#pragma GCC unroll 32
  for (int i = 0; i < kPadded; i += 8) {
    // By value: a reference would keep the accumulators in memory.
    Isa::sum_lanes(total[i], total[i + 1], total[i + 2], total[i + 3], total[i + 4], total[i + 5], total[i + 6],
                   total[i + 7], sums + i);
  }
}

}  // namespace zaponnx
