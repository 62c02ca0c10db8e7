// What an instruction set must provide for the two-path and Winograd layers: loops over vectors, in one table. The
// argument structs state layouts and strides; all floats are float32, all strides and offsets count floats, nothing
// overlaps unless said. isa/<name>.cc fills the table by instantiating the generic loops; everything else is portable
// C++.
#pragma once

#include <cstddef>
#include <cstdint>

namespace zaponnx {

// A pixel of a tile.
struct TilePixel {
  uint16_t row, column;
};

// The taps of one output within a patch: `count` runs of `length` contiguous floats, at these offsets from the output's
// first tap. `length` is a multiple of the vector length.
struct TapRuns {
  const int32_t* offset;
  int32_t count;
  int32_t length;
};

// Packed weights of one chunk of input channels: channel m's taps, contiguous in the order of the runs, at data + m *
// stride.
struct ChunkWeights {
  const float* data;
  int64_t stride;
  bool prefetch;  // the layer's weights do not stay in L2: fetch the next channels' ahead
};

// out[out_pixel[i] * out_stride + m] (+)= Σ patch[pixel[i] + tap] · weights[m, tap] for
// every pixel i and channel m.
struct PatternPixelsArgs {
  const float* patch;
  const int32_t* pixel;  // offset in the patch of each pixel's first tap
  int32_t pixels;
  TapRuns taps;
  ChunkWeights weights;
  int32_t channels;
  float* out;
  const int32_t* out_pixel;
  int64_t out_stride;
  bool accumulate;  // add to out instead of overwriting it
};

// Single outputs that are computed together: all of a few pixels and a few channels of a quad, channel ... channel + 3.
struct OutputBlock {
  int32_t channel;
  uint8_t set;     // which channels of the quad, a bit for each
  uint8_t pixels;  // at most VectorKernels::block_pixels for so many channels
};

// The same for single outputs. The blocks' pixels follow one another in `list`; sums[i] (+)= the i-th output in the
// order of blocks, pixels and channels.
struct SparseOutputsArgs {
  const float* patch;
  const int32_t* pixel;  // offset in the patch of the first tap of each pixel of the tile
  TapRuns taps;
  ChunkWeights weights;
  const OutputBlock* block;
  int32_t blocks;
  const uint8_t* list;
  float* sums;
  bool accumulate;
};

// Packed parameters of a strip of channels, as many as a vector has lanes. Each is a vector: 9 of P1, p1, 9 of P2, p2,
// the threshold.
constexpr int32_t kPredictorVectors = 21;

// mask[i] = the strip's channels that must be computed at the i-th pixel, channel c as bit c; higher bits mean nothing.
struct PredictArgs {
  const float* y;             // NHWC map, at the strip's first channel of pixel (0, 0) of the map
  int64_t pixel_stride;       // of y
  int64_t height, width;      // of the map
  int64_t top, left;          // of the tile in the map
  int32_t rows, columns;      // of the tile
  const uint8_t* in_pattern;  // 1 where a pixel is in the pattern, 0 outside the map; at (top - 2, left - 2)
  int64_t in_pattern_stride;  // between rows
  const TilePixel* pixel;     // the tile's pixels outside the pattern
  int32_t pixels;
  int32_t channels;         // of the strip; at most the vector length
  const float* parameters;  // kPredictorVectors vectors
  float* scratch;           // predictor_scratch(rows, columns, vector length) floats
  uint16_t* mask;
};

constexpr size_t predictor_scratch(size_t rows, size_t columns, size_t lanes) {
  return ((rows + 4) * (columns + 4) + (rows + 2) * (columns + 2)) * lanes;
}

// out[i] = min(relu(out[i] + bias[i] + residual[i]), bound) for `count` contiguous values; residual may be null.
struct ActivateArgs {
  float* out;
  const float* bias;
  const float* residual;
  int64_t count;
  float bound;
};

// Winograd's minimal filtering, see winograd/. Tiles of m x m outputs side by side, each of which reads m + 2 rows and
// columns of a patch, and for which (m + 2)^2 products are formed.
struct WinogradInputsArgs {
  const float* patch;  // [row][column][channel]
  int64_t row_stride;
  int64_t tiles;
  int64_t channels;  // of the patch: a multiple of the vector length
  float* to;         // [product][tile][channel]
  int64_t product_stride, tile_stride;
};

// out[tile][m] = Σ inputs[tile][c] · weights[c][m]
struct WinogradProductsArgs {
  const float* inputs;  // [tile][c]
  int64_t tiles, channels;
  const float* weights;  // [c][m]
  int64_t width;         // of m: a multiple of the vector length, product_width at most
  float* out;
};

// out = min(relu(the transformed products + bias + residual), bound)
struct WinogradOutputsArgs {
  const float* products;  // [product][tile][m]
  int64_t product_stride;
  int64_t tiles, width;  // of m, as above
  const float* bias;
  bool residual;  // it is in `out`
  float bound;
  float* out;  // [row][column][m]
  int64_t row_stride;
};

struct WinogradTransforms {
  void (*inputs)(const WinogradInputsArgs& args);
  void (*outputs)(const WinogradOutputsArgs& args);
};

struct VectorKernels {
  int32_t lanes;  // floats in a vector
  void (*pattern_pixels)(const PatternPixelsArgs& args);
  int32_t block_pixels[4];  // of an OutputBlock with 1 ... 4 channels
  void (*sparse_outputs)(const SparseOutputsArgs& args);
  void (*predict)(const PredictArgs& args);
  void (*activate)(const ActivateArgs& args);
  // to[j * to_stride + i] = from[i * from_stride + j] for i < rows, j < columns.
  void (*transpose)(const float* from, int64_t from_stride, float* to, int64_t to_stride, int64_t rows,
                    int64_t columns);
  int32_t product_width;  // output channels that winograd_products takes at a time
  void (*winograd_products)(const WinogradProductsArgs& args);
  WinogradTransforms winograd_2, winograd_4;  // by m
};

extern const VectorKernels kAvx2Kernels;
extern const VectorKernels kAvx512Kernels;
extern const VectorKernels kNeonKernels;

}  // namespace zaponnx
