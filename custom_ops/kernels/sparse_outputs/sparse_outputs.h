// The sparse path: single outputs, in blocks of a few pixels that a few channels of a quad need, so that a pixel is
// loaded once for all of these.
//
// Measured (Zen 4, AVX-512, one thread, independent masks, pattern B, shares of the multiply-add peak, medians of runs
// in turn) at densities 0.3 / 0.5 / 0.7, for 64 channels at 56 x 56:
//   one channel at a time, up to 8 pixels      0.61 / 0.63 / 0.63    bound by loads: 9 for 8 multiply-adds
//   the same, up to 12 pixels                  0.61 / 0.63 / 0.65
//   the same, each half of the tile in turn    0.60 / 0.63 / 0.67    so that the patch's half stays in L1
//   pairs of channels share pixels             0.62 / 0.70 / 0.75
//   quads of channels, sets (this)             0.64 / 0.74 / 0.79    every other block backwards: the same
// and for 512 channels at 28 x 28, and 128 to 256 of stride 2 at 14 x 14:
//   pairs of channels share pixels             0.57 / 0.64 / 0.70    0.45 / 0.53 / 0.61
//   quads of channels, sets (this)             0.59 / 0.69 / 0.75    0.53 / 0.66 / 0.75
// With sets that are never split (kFewestInSet = 1) quads lose to pairs below a density of 0.5. Chunks of 32 or 128
// input channels, or tiles of 4 x 8, 8 x 8 or 14 x 14, made no difference to pairs; quads want tiles of up to 16 x
// 16 (7 x 7 at stride 2: 0.48 / 0.56 / 0.63).
//
// A pixel that most channels need could be computed for all of them by the pattern path, at 0.84 of the peak: that is
// 0.76 on the outputs needed at a density of 0.9, where this path has 0.85 (64 channels, 56 x 56; 0.77 and 0.83 with
// 256 at 14 x 14). It would pay above a density of 0.85, on the smallest maps alone (512 at 7 x 7: 0.71 and 0.66).
// Vectors of neighbouring pixels, or of channels, would compute what any of their lanes needs: of independent masks of
// a density of 0.5, 0.94 with 4 lanes and all with 16.
#pragma once

#include <algorithm>
#include <utility>

#include "kernels/dot_block/dot_block.h"

namespace zaponnx {

// The block's list starts at `list`; weights: of its channels.
template <typename Isa, int Pixels, int Channels>
void sparse_block(const SparseOutputsArgs& args, const float* const* weights, const uint8_t* list, float* out) {
  const float* x[Pixels];
  for (int p = 0; p < Pixels; ++p) x[p] = args.patch + args.pixel[list[p]];
  const float* w[Channels];
  for (int q = 0; q < Channels; ++q) w[q] = weights[q];
  alignas(64) float sums[dot_block_sums(Pixels * Channels)];
  dot_block<Isa, Pixels, Channels>(x, w, args.taps, sums);
  for (int i = 0; i < Pixels * Channels; ++i) out[i] = (args.accumulate ? out[i] : 0.0f) + sums[i];
}

using SparseBlock = void (*)(const SparseOutputsArgs&, const float* const*, const uint8_t*, float*);

template <typename Isa, int Channels, int... Minus1>
constexpr void list_blocks(SparseBlock* blocks, std::integer_sequence<int, Minus1...>) {
  ((blocks[Minus1] = sparse_block<Isa, Minus1 + 1, Channels>), ...);
}

// By channels - 1 and pixels - 1.
template <typename Isa>
struct SparseBlocks {
  static constexpr int kMost = 8;
  SparseBlock by_size[4][kMost] = {};

  constexpr SparseBlocks() {
    list_blocks<Isa, 1>(by_size[0], std::make_integer_sequence<int, Isa::kBlockPixels[0]>{});
    list_blocks<Isa, 2>(by_size[1], std::make_integer_sequence<int, Isa::kBlockPixels[1]>{});
    list_blocks<Isa, 3>(by_size[2], std::make_integer_sequence<int, Isa::kBlockPixels[2]>{});
    list_blocks<Isa, 4>(by_size[3], std::make_integer_sequence<int, Isa::kBlockPixels[3]>{});
  }
};

template <typename Isa>
void sparse_outputs(const SparseOutputsArgs& args) {
  static constexpr SparseBlocks<Isa> kBlocks;
  const int64_t stride = args.weights.stride;
  const float* fetched = args.weights.data;
  const uint8_t* list = args.list;
  float* out = args.sums;
  for (const OutputBlock* block = args.block; block != args.block + args.blocks; ++block) {
    const float* quad = args.weights.data + block->channel * stride;
    if (args.weights.prefetch) {  // an eighth of a quad with each block, up to the end of the next quad
      fetched = std::max(fetched, quad);
      const int64_t floats = std::min(stride / 2, quad + 8 * stride - fetched);
      prefetch(fetched, floats);
      fetched += floats;
    }
    const float* weights[4];
    int channels = 0;
    for (int q = 0; q < 4; ++q) {  // branch-free: what is past the count is overwritten or not read
      weights[channels] = quad + q * stride;
      channels += block->set >> q & 1;
    }
    kBlocks.by_size[channels - 1][block->pixels - 1](args, weights, list, out);
    list += block->pixels;
    out += block->pixels * channels;
  }
}

}  // namespace zaponnx
