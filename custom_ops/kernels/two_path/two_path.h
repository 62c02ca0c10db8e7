// ZapConv in two paths over tiles of the output.
//
//   1. X is cut in patches, one for each tile and chunk of input channels.
//   2. Pattern path, per tile: the pattern's pixels for all channels, into an NHWC map.
//   3. Per tile: predict from the map's pattern, list the outputs to compute by channel, and write Y: the pattern's
//      pixels from the map, the listed outputs computed, zeros elsewhere.
//
// Each step is a parallel loop. All threads meet between 2 and 3, because a prediction looks two pixels beyond its
// tile; only where the map is one tile the two are one loop. How an output is summed up depends on its channel and tile
// alone, never on threads, batch or memory, so results are reproducible bit for bit for an instruction set.
//
// Patches take a bounded amount of memory: a batch is cut in images, and an image that is too large in bands of tiles,
// which are then packed for step 2 and again for step 3.
#pragma once

#include "kernels/kernel.h"
#include "kernels/vector_kernels.h"

namespace zaponnx {

// Floats of patches that a call holds at a time.
constexpr int64_t kPatchLimit = int64_t{8} << 20;

// With the loops of one instruction set, which the machine must support; `kernels` outlives the layer.
std::unique_ptr<PreparedLayer> prepare_two_path(const VectorKernels& kernels, const LayerAttributes& attributes,
                                                const LayerWeights& weights, int64_t patch_limit = kPatchLimit);

}  // namespace zaponnx
