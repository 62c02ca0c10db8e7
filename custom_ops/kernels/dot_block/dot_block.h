// The one inner loop of both paths: Pixels x Channels dot products at once, the
// reduction in the lanes.
//
//   sums[p * Channels + q] = Σ_taps x[p][tap] · w[q][tap]
//
// x[p] points at pixel p's first tap in a packed patch, w + q * stride at
// channel q's packed weights.
//
// Why the lanes hold the reduction: single outputs (any pixel of any channel)
// then cost no more than blocks, so the sparse path works at the granularity of
// the masks, and both paths read the same packed weights. Measured on Zen 4, 64
// channels, 3x3, one thread, GMAC/s of 57 at peak: 6 x 4 with AVX-512 53, 3 x 4
// with AVX2 45; single channels, 8 x 1, 44 with either, bound by the loads (9
// for 8 multiply-adds). An outer-product kernel (pixels broadcast, channels in
// the lanes) is as fast on the pattern but needs a second packing and cannot do
// single outputs.
#pragma once

#include "kernels/two_path/vector_kernels.h"

namespace zaponnx {

template <typename Isa, int Pixels, int Channels>
inline void dot_block(const float* const (&x)[Pixels], const TapRuns& taps, const float* w, int64_t stride,
                      float* sums) {
  using Vector = typename Isa::Vector;
  constexpr int kCount = Pixels * Channels;
  constexpr int kPadded = (kCount + Isa::kSumGroup - 1) / Isa::kSumGroup * Isa::kSumGroup;
  // gcc keeps these arrays in memory unless every loop over them is unrolled.
  Vector total[kPadded];
#pragma GCC unroll 32
  for (int i = 0; i < kPadded; ++i) total[i] = Isa::zero();
  for (int32_t run = 0; run < taps.count; ++run) {
    const int64_t offset = taps.offset[run];
    for (int64_t i = 0; i < taps.length; i += Isa::kLanes) {
      Vector pixel[Pixels];
#pragma GCC unroll 32
      for (int p = 0; p < Pixels; ++p) pixel[p] = Isa::load(x[p] + offset + i);
#pragma GCC unroll 32
      for (int q = 0; q < Channels; ++q) {
        const Vector weight = Isa::load(w + q * stride + i);
#pragma GCC unroll 32
        for (int p = 0; p < Pixels; ++p) {
          total[p * Channels + q] = Isa::fma(pixel[p], weight, total[p * Channels + q]);
        }
      }
    }
    w += taps.length;
  }
#pragma GCC unroll 32
  for (int i = 0; i < kPadded; i += Isa::kSumGroup) {
    Isa::sum_lanes(reinterpret_cast<const Vector(&)[Isa::kSumGroup]>(total[i]), sums + i);
  }
}

// Floats that dot_block writes to `sums`: the products, rounded up to whole
// groups.
template <typename Isa>
constexpr int dot_block_sums(int count) {
  return (count + Isa::kSumGroup - 1) / Isa::kSumGroup * Isa::kSumGroup;
}

}  // namespace zaponnx
