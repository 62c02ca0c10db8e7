// ZapConv in two paths over tiles of the output.
//
//   1. pack: X is cut in patches, one for each tile and chunk of input channels.
//   2. pattern: the pattern's pixels of a tile for all channels, into an NHWC map.
//   3. rest: predict from the map's pattern, list the outputs to compute by the channels that share pixels, and write
//   Y:
//      the pattern's pixels from the map, the listed outputs computed, zeros elsewhere.
//
// stages/stages.h has the order in which the tiles pass these steps; the pattern is its `compute`. How an output is
// summed up depends on its channel and tile alone, never on threads, batch or memory, so results are reproducible bit
// for bit for an instruction set.
#pragma once

#include "kernels/kernel.h"
#include "kernels/vector_kernels.h"

namespace zaponnx {

// Floats of patches that a wave of tiles may have: about what L2 holds.
constexpr int64_t kWaveFloats = 192 << 10;

// With the loops of one instruction set, which the machine must support; `kernels` outlives the layer.
std::unique_ptr<PreparedLayer> prepare_two_path(const VectorKernels& kernels, const LayerAttributes& attributes,
                                                const LayerWeights& weights, int64_t wave_floats = kWaveFloats);

}  // namespace zaponnx
