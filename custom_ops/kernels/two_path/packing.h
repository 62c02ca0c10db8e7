// Layouts of the two-path layer: packed weights, packed predictors, patches.
//
// Input channels are cut in chunks of `chunk` channels (padded with zeros), so that a chunk of a tile's patch stays in
// L1. In a patch and in the packed weights the taps of a kernel row are contiguous, channel by channel, which turns the
// taps of one output into a few runs; the lanes of a vector then hold neighbouring channels.
#pragma once

#include <vector>

#include "core/layer.h"
#include "core/scratch.h"
#include "kernels/two_path/vector_kernels.h"

namespace zaponnx {

// A rectangle of outputs.
struct Tile {
  int64_t top, left;
  int32_t rows, columns;
};

class PackedWeights {
 public:
  PackedWeights(const LayerAttributes& attributes, const LayerWeights& weights, int32_t lanes);

  int32_t chunk() const { return chunk_; }    // channels in a chunk, a multiple of the vector length
  int32_t chunks() const { return chunks_; }  // of a group
  int64_t taps() const { return taps_; }      // kH * kW
  // The weights of a chunk of a group, from the group's output channel `channel` on.
  ChunkWeights at(int64_t group, int32_t chunk_index, int64_t channel) const {
    const int64_t stride = taps_ * chunk_;
    return {data_.data() + ((group * chunks_ + chunk_index) * group_channels_ + channel) * stride, stride};
  }

 private:
  int32_t chunk_, chunks_;
  int64_t taps_, group_channels_;
  Buffer<float> data_;  // [group][chunk][output channel][tap][channel in chunk]
};

class PackedPredictors {
 public:
  PackedPredictors(const LayerAttributes& attributes, const LayerWeights& weights, int32_t lanes);

  // The parameters of the strip that starts at output channel `channel`: kPredictorVectors vectors. A strip may start
  // anywhere; lanes past the last channel are padding.
  void strip(int64_t channel, float* to) const;

 private:
  int32_t lanes_;
  int64_t padded_channels_;
  Buffer<float> data_;  // [kPredictorVectors][padded channel]
};

// Patches: the part of an image that a tile's outputs read, for one chunk of channels of one group,
// [row][column][channel in chunk], zero outside the image. All tiles of a map have patches of one size.
class PatchLayout {
 public:
  PatchLayout(const LayerAttributes& attributes, const Geometry& geometry, int64_t tile_rows, int64_t tile_columns,
              int32_t chunk);

  size_t size() const { return static_cast<size_t>(rows_ * columns_ * chunk_); }
  // Of the first tap of the tile's output (row, column).
  int32_t pixel_offset(int64_t row, int64_t column) const {
    return static_cast<int32_t>((row * strides_[0] * columns_ + column * strides_[1]) * chunk_);
  }
  TapRuns taps() const { return {run_offsets_.data(), static_cast<int32_t>(run_offsets_.size()), run_length_}; }
  // planes: `channels` (at most the chunk's) planes of the image, H x W each; tile: whose patch it is.
  void pack(const VectorKernels& kernels, const float* planes, int64_t channels, const Tile& tile, float* patch) const;

 private:
  std::array<int64_t, 2> strides_;
  std::array<int64_t, 4> pads_;
  int64_t image_height_, image_width_;
  int64_t rows_, columns_, chunk_;
  int32_t run_length_;
  std::vector<int32_t> run_offsets_;
};

}  // namespace zaponnx
