// Host logic: which kernels a layer takes, the extents that they work in, and where a run's arrays lie in its
// workspace. Knows no CUDA.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/layer.h"
#include "cuda/arguments.h"
#include "cuda/rank.h"

namespace zaponnx::cuda {

// What a caller chooses, as in zaponnx_cuda_layer_description.
struct Choices {
  int element, precision, method, element_channels;
};

// Of the GPU: its compute capability.
struct Architecture {
  int major, minor;

  bool has_tf32() const { return major >= 8; }
  // Whether tensor cores multiply TF32 much faster than FP32 units float32, by the data sheets.
  bool has_fast_tf32() const { return minor == 0 && (major == 8 || major == 9 || major == 10); }
};

// Of the GPU, for a layer's products.
struct Device {
  int multiprocessors = 1;
  int large_tiles_at_once = 1;  // thread blocks that a multiprocessor holds
  int medium_tiles_at_once = 1;
  int small_tiles_at_once = 1;
};

// What is fixed when a layer is made.
struct LayerPlan {
  bool tiles;                                                  // else the reference kernels
  Products products;                                           // of the tiles
  int element_channels;                                        // 0 to kBlockChannels
  int padded_channels, vectors, chunks, group_blocks, blocks;  // as in Convolution; zero if not `tiles`

  int operand_bytes() const { return products == Products::kHalf ? 2 : 4; }
  // Elements of the packed weights.
  int64_t packed_count() const {
    return int64_t{blocks} * kBlockChannels * chunks * (kChunkVectors * kVectorBytes / operand_bytes());
  }
};

// Throws std::invalid_argument if the choices are not ones, contradict each other or ask for tiles that the layer does
// not suit.
LayerPlan plan_layer(const LayerAttributes& attributes, const std::array<int64_t, 4>& w_shape, const Choices& choices,
                     const Architecture& architecture);

// How a list of pixels is cut for the GPU.
struct TileLaunch {
  int tile_pixels;
  int64_t blocks;  // of the grid
};

// What follows from the shape of X. Offsets are in bytes from the workspace's start.
struct RunPlan {
  bool staged;           // X is brought into the operand's layout first
  int pattern_pixels;    // of the batch
  int64_t other_pixels;  // of the batch
  TileLaunch pattern, others;
  int64_t element_blocks;  // of the grid
  int counter_count;       // pattern, tiles by block, elements by block, tickets
  size_t operand, pattern_list, other_list, other_masks, counters, partial, bytes;
};

// The batch is not 0. Throws std::invalid_argument if X is too large for the kernels.
RunPlan plan_run(const LayerPlan& layer, const LayerAttributes& attributes, const Geometry& g,
                 const PatternTable& pattern, int element, const Device& device);

}  // namespace zaponnx::cuda
