// The sparse path: single outputs, listed by channel. One channel's weights meet up to kSparsePixels of its pixels at a
// time; a list is cut in groups of sizes that differ by one at most, since half-empty groups load as many weights.
#pragma once

#include <utility>

#include "kernels/dot_block/dot_block.h"

namespace zaponnx {

template <typename Isa, int Pixels>
void sparse_group(const SparseOutputsArgs& args, int32_t first, const float* w) {
  const float* x[Pixels];
  for (int p = 0; p < Pixels; ++p) x[p] = args.patch + args.pixel[args.list[first + p]];
  alignas(64) float sums[dot_block_sums(Pixels)];
  dot_block<Isa, Pixels, 1>(x, args.taps, w, 0, sums);
  float* out = args.sums + first;
  for (int p = 0; p < Pixels; ++p) out[p] = (args.accumulate ? out[p] : 0.0f) + sums[p];
}

template <typename Isa, int... Minus1>
void sparse_channels(const SparseOutputsArgs& args, std::integer_sequence<int, Minus1...>) {
  using Group = void (*)(const SparseOutputsArgs&, int32_t, const float*);
  static constexpr Group kGroups[] = {sparse_group<Isa, Minus1 + 1>...};
  for (int32_t channel = 0; channel < args.channels; ++channel) {
    const float* w = args.weights.data + channel * args.weights.stride;
    const int32_t end = args.start[channel + 1];
    int32_t first = args.start[channel];
    const int32_t groups = (end - first + Isa::kSparsePixels - 1) / Isa::kSparsePixels;
    for (int32_t group = 0; group < groups; ++group) {
      const int32_t size = (end - first) / (groups - group);
      kGroups[size - 1](args, first, w);
      first += size;
    }
  }
}

template <typename Isa>
void sparse_outputs(const SparseOutputsArgs& args) {
  sparse_channels<Isa>(args, std::make_integer_sequence<int, Isa::kSparsePixels>{});
}

}  // namespace zaponnx
