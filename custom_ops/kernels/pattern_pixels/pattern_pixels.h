// The dense path: all channels of a list of pixels, in blocks of kPatternPixels x 4 channels. The pixels need not be
// neighbours, so the pattern costs nothing. Four channels' weights stay in L1 while all pixels of the tile pass. Lanes
// hold input channels, so that the sparse path's packing of the weights serves here, too.
//
// Measured (Zen 4, AVX-512, one thread, best of interleaved runs, GMAC/s of 57 at peak) on layers of 64 channels, 56 x
// 56; 128, 28 x 28; 128 to 256 of stride 2; 64, 224 x 224; 128 to 256, 56 x 56:
//   6 pixels x 4 channels (this)                            53 / 53 / 52 / 46 / 50
//   6 pixels x 64 channels in the lanes, inputs broadcast   58 / 58 / 58 / 47 / 56
// The latter needs a second packing, and was built with it: in the loop alone, medians of the shares of the peak rose
// from 0.81-0.93 to 0.83-0.98 on 15 shapes. Whole layers took 0.92 to 1.05 of the time on most of ResNet-18's shapes,
// and 1.2 to 1.4 times as long where the weights are large and the map is small (256 to 512 of stride 2; 512, 7 x 7),
// since both packings pass from L3 or memory. 12 pixels x 32 channels reached 56 at best.
#pragma once

#include <cstring>
#include <utility>

#include "kernels/dot_block/dot_block.h"

namespace zaponnx {

template <typename Isa, int Pixels, int Channels>
void pattern_block(const PatternPixelsArgs& args, int32_t first_pixel, int32_t channel) {
  const float* x[Pixels];
  for (int p = 0; p < Pixels; ++p) x[p] = args.patch + args.pixel[first_pixel + p];
  const float* w[Channels];
  for (int q = 0; q < Channels; ++q) w[q] = args.weights.data + (channel + q) * args.weights.stride;
  alignas(64) float sums[dot_block_sums(Pixels * Channels)];
  dot_block<Isa, Pixels, Channels>(x, w, args.taps, sums);
  // The channels of a pixel as one short vector, which the compiler does not make of a loop by itself.
  typedef float Block __attribute__((vector_size(Channels * sizeof(float))));
  for (int p = 0; p < Pixels; ++p) {
    float* out = args.out + args.out_pixel[first_pixel + p] * args.out_stride + channel;
    Block sum;
    std::memcpy(&sum, sums + p * Channels, sizeof(Block));
    if (args.accumulate) {
      Block before;
      std::memcpy(&before, out, sizeof(Block));
      sum += before;
    }
    std::memcpy(out, &sum, sizeof(Block));
  }
}

template <typename Isa, int Channels, int... Minus1>
void pattern_channels(const PatternPixelsArgs& args, int32_t channel, std::integer_sequence<int, Minus1...>) {
  using Block = void (*)(const PatternPixelsArgs&, int32_t, int32_t);
  static constexpr Block kBlocks[] = {pattern_block<Isa, Minus1 + 1, Channels>...};
  const int32_t blocks = (args.pixels + Isa::kPatternPixels - 1) / Isa::kPatternPixels;
  for (int32_t block = 0, pixel = 0; block < blocks; ++block) {  // of sizes that differ by one at most
    const int32_t size = (args.pixels - pixel) / (blocks - block);
    if (args.weights.prefetch) {
      // The next channels', an equal part with each block.
      const float* next = args.weights.data + (channel + Channels) * args.weights.stride;
      const int64_t floats = Channels * args.weights.stride;
      prefetch(next + floats * block / blocks, floats / blocks + 1);
    }
    kBlocks[size - 1](args, pixel, channel);
    pixel += size;
  }
}

template <typename Isa>
void pattern_pixels(const PatternPixelsArgs& args) {
  constexpr std::make_integer_sequence<int, Isa::kPatternPixels> kSizes;
  int32_t channel = 0;
  for (; channel + 4 <= args.channels; channel += 4) pattern_channels<Isa, 4>(args, channel, kSizes);
  for (; channel < args.channels; ++channel) pattern_channels<Isa, 1>(args, channel, kSizes);
}

}  // namespace zaponnx
