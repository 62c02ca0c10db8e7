// The sparse path: single outputs, listed by channel. A channel's weights meet up to kSparsePixels of its pixels at a
// time; where a pair of channels needs the same pixels, two channels' weights meet up to kSharedPixels of them, which
// halves the loads of pixels. A list is cut in groups of sizes that differ by one at most, since half-empty groups load
// as many weights.
//
// Measured (Zen 4, AVX-512, one thread, independent masks, GMAC/s of 57 at peak, best of interleaved runs), 64
// channels, 56 x 56, pattern B, at densities 0.3 / 0.5 / 0.7:
//   one channel at a time, up to 8 pixels      35 / 36 / 36    bound by loads: 9 for 8 multiply-adds, in L1 at most 44
//   the same, up to 12 pixels                  35 / 36 / 37
//   the same, each half of the tile in turn    34 / 36 / 38    so that the patch's half stays in L1
//   pairs of channels (this)                   36 / 40 / 44
// The same with chunks of 32 or 128 input channels, or tiles of 4 x 8, 8 x 8 or 14 x 14, differed by less than the
// noise. Pairs only where they have kFewestShared pixels in common: below that, pairs lose 2 at a density of 0.2.
#pragma once

#include <utility>

#include "kernels/dot_block/dot_block.h"

namespace zaponnx {

// `first` and, for two channels, `second`: where the group's entries are in the channels' lists.
template <typename Isa, int Pixels, int Channels>
void sparse_group(const SparseOutputsArgs& args, const float* w, int32_t first, int32_t second) {
  const float* x[Pixels];
  for (int p = 0; p < Pixels; ++p) x[p] = args.patch + args.pixel[args.list[first + p]];
  alignas(64) float sums[dot_block_sums(Pixels * Channels)];
  dot_block<Isa, Pixels, Channels>(x, args.taps, w, args.weights.stride, sums);
  const int32_t lists[2] = {first, second};
  for (int q = 0; q < Channels; ++q) {
    float* out = args.sums + lists[q];
    for (int p = 0; p < Pixels; ++p) out[p] = (args.accumulate ? out[p] : 0.0f) + sums[p * Channels + q];
  }
}

// The `count` entries from `first` and, for two channels, from `second` on.
template <typename Isa, int Channels, int... Minus1>
void sparse_groups(const SparseOutputsArgs& args, int32_t channel, int32_t count, int32_t first, int32_t second,
                   std::integer_sequence<int, Minus1...>) {
  using Group = void (*)(const SparseOutputsArgs&, const float*, int32_t, int32_t);
  static constexpr Group kGroups[] = {sparse_group<Isa, Minus1 + 1, Channels>...};
  constexpr int32_t kLargest = sizeof...(Minus1);
  const float* w = args.weights.data + channel * args.weights.stride;
  const int32_t groups = (count + kLargest - 1) / kLargest;
  for (int32_t group = 0, done = 0; group < groups; ++group) {
    const int32_t size = (count - done) / (groups - group);
    if (args.weights.prefetch) prefetch_part(w + args.weights.stride * Channels, args.weights.stride, group, groups);
    kGroups[size - 1](args, w, first + done, second + done);
    done += size;
  }
}

template <typename Isa>
void sparse_outputs(const SparseOutputsArgs& args) {
  constexpr std::make_integer_sequence<int, Isa::kSparsePixels> kSizes;
  constexpr std::make_integer_sequence<int, Isa::kSharedPixels> kSharedSizes;
  for (int32_t channel = 0; channel < args.channels; ++channel) {
    const int32_t shared = args.shared[channel / 2];
    const int32_t first = args.start[channel];
    const int32_t end = args.start[channel + 1];
    if (channel % 2 == 0) {
      sparse_groups<Isa, 1>(args, channel, end - shared - first, first, 0, kSizes);
      sparse_groups<Isa, 2>(args, channel, shared, end - shared, end, kSharedSizes);
    } else {
      sparse_groups<Isa, 1>(args, channel, end - shared - first, first + shared, 0, kSizes);
    }
  }
}

}  // namespace zaponnx
