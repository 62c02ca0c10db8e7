// ZapConv where every output is computed and the kernel is 3 x 3 of stride 1: Winograd's minimal filtering.
//
//   1. pack: X is cut in rows of tiles, whose m + 2 rows and columns are transformed to (m + 2)^2 planes.
//   2. compute: each plane times its weights, a matrix product over the input channels; the products are transformed to
//      m x m outputs, with bias, residual and activation.
//
// m is 4, where the weights take 4 times the memory of W and the products are a quarter of the multiply-adds, or 2 for
// large weights, where it is 1.8 times and 4/9, so that their memory does not grow without bound. Small maps, which
// read little but weights, have a lower limit: a session of AlexNet's features takes 32 instead of 50 MiB, and 0.8
// to 1.06 of the time (ResNet-18 0.96 to 1.01, the digits 1.02 to 1.05; sessions in turn, one and two threads).
//
// How an output is summed up depends on its place in its tile alone, so results are reproducible bit for bit for an
// instruction set. They differ from those of a sum of products by rounding, and a NaN or infinity in X may reach any
// output of the tiles that read it.
//
// Measured (Zen 4, AVX-512, one thread, NHWC, whole layers, GMAC/s of the convolution's 9 C multiply-adds per output;
// ORT's dense kernel in its own layout has 45-56, the peak is 57), m = 4 / m = 2, builds that were run in turn:
//   64 channels, 56 x 56      155 /  86      512, 28 x 28    179 / 107
//   128, 28 x 28              136 /  97      512, 14 x 14    105 / 100
//   256, 14 x 14              120 /  90      512, 7 x 7       71 /  75
#pragma once

#include "kernels/kernel.h"
#include "kernels/vector_kernels.h"

namespace zaponnx {

struct WinogradLimits {
  int64_t weight_floats = 5 << 20;            // with more, m is 2
  int64_t part_tiles = 0;                     // of one part; 0: what suits the weights
  int64_t small_map_weight_floats = 1 << 19;  // for maps that are known to be small
};

bool suits_winograd(const LayerAttributes& attributes, const LayerWeights& weights);

// For a layer that it suits; with the loops of one instruction set, which the machine must support; `kernels` outlives
// the layer.
std::unique_ptr<PreparedLayer> prepare_winograd(const VectorKernels& kernels, const LayerAttributes& attributes,
                                                const LayerWeights& weights, const WinogradLimits& limits = {});

}  // namespace zaponnx
