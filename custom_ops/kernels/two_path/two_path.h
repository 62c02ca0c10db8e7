// ZapConv in two paths over tiles of the output.
//
//   1. X is cut in patches, one for each tile and chunk of input channels.
//   2. Pattern path, per tile: the pattern's pixels for all channels, into an NHWC map.
//   3. Per tile: predict from the map's pattern, list the outputs to compute by channel, and write Y: the pattern's
//      pixels from the map, the listed outputs computed, zeros elsewhere.
//
// Between 2 and 3 all threads meet, because a prediction looks two pixels beyond its tile. Each step is a parallel loop
// over ranges of output channels and, within a range, over tiles, so that a range's weights stay in L2 while the tiles
// pass. How an output is summed up depends on its channel and tile alone, never on threads or batch, so results are
// reproducible bit for bit for an instruction set.
#pragma once

#include "kernels/kernel.h"
#include "kernels/two_path/vector_kernels.h"

namespace zaponnx {

// With the loops of one instruction set, which the machine must support; `kernels` outlives the layer.
std::unique_ptr<PreparedLayer> prepare_two_path(const VectorKernels& kernels, const LayerAttributes& attributes,
                                                const LayerWeights& weights);

}  // namespace zaponnx
