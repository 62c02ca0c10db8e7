// What the kernels are given: plain values and device pointers.
#pragma once

#include <cstdint>

#include "cuda/zaponnx_cuda.h"

namespace zaponnx::cuda {

constexpr int kBlockChannels = ZAPONNX_CUDA_CHANNEL_BLOCK;
constexpr int kLargeTile = 128;  // pixels of a tile
constexpr int kMediumTile = 64;
constexpr int kSmallTile = 32;
constexpr int kVectorBytes = 16;  // of one load
constexpr int kChunkVectors = 4;  // of a row in one step of the main loop
constexpr int kMaxSlices = 16;    // that a sum of products is cut into
constexpr int kLeastSliceChunks = 8;

// How the tiles multiply.
enum class Products {
  kPlain,  // float32, on FP32 units
  kSplit,  // float32, each factor as the sum of two TF32, on tensor cores
  kTf32,
  kHalf
};

// X, Z or Y.
struct Activation {
  const void* data;
  int half;  // whether its elements are float16
  int nhwc;
};

// The pattern's tile, as the kernels read it.
struct PatternTable {
  int rows, columns;
  const uint8_t* tile;  // [row][column]
  const int* before;    // [row][columns + 1]: entries of the row before a column
};

// The convolution. Of `tiles`, K = kH * kW * padded_channels is ordered by kernel row, kernel column, channel, in
// vectors of 16 bytes; `operand` is X as [image][row][column][group][padded_channels], and `weights` are
// [block][kBlockChannels][chunks * kChunkVectors] vectors, zero beyond the layer's.
struct Convolution {
  int batch, in_height, in_width, out_height, out_width;
  int group, group_in_channels, group_out_channels;
  int kernel_height, kernel_width, stride_rows, stride_columns, pad_top, pad_left, dilation_rows, dilation_columns;
  int padded_channels;  // of a group: a whole number of vectors
  int vectors;          // of K
  int chunks;           // of K, kChunkVectors each
  int group_blocks;     // channel blocks of a group
  int blocks;           // of all groups
  const void* operand;
  const void* weights;
  const float* bias;
  Activation z;  // data is null if there is none
  Activation y;  // written
  float bound;
};

struct Predictor {
  const float* parameters;  // [kPredictorParameters][channel]: P1, p1, P2, p2, threshold
};
constexpr int kPredictorParameters = 21;

// Lists of output pixels (image, row, column flattened), one per channel block or one for all.
struct PixelLists {
  const int* pixels;
  const uint64_t* masks;  // bit c: channel c of the block is to be computed; null: all are
  const int* counts;      // entries of each list
  int64_t list_stride;    // 0: one list for all blocks
  int count_stride;       // 0: with one count
};

// What the predictor writes: for each block a list of `capacity` entries, filled from the front with pixels for the
// tiles and from the back with those for single elements.
struct RemainingWork {
  int* pixels;
  uint64_t* masks;
  int* tile_counts;
  int* element_counts;
  int64_t capacity;
  int element_channels;  // at most so many channels of a block are taken one by one
};

// Where the slices of a sum meet.
struct Slices {
  float* partial;  // for each block of the grid, a tile's sums
  int* tickets;    // for each tile, the slices that are done; zero before and after
};

}  // namespace zaponnx::cuda
