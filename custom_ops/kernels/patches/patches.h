// Patches: the parts of an image that tiles of the output read, copied so that a tile's taps are close together.
#pragma once

#include <vector>

#include "core/layer.h"
#include "kernels/vector_kernels.h"

namespace zaponnx {

// A rectangle of outputs.
struct Tile {
  int64_t top, left;
  int32_t rows, columns;
};

// One axis of a patch. A tile's first taps span `span` neighbouring positions of the image; each tap of the kernel adds
// such a span `dilation` further on. Where spans overlap or touch, the patch is that part of the image; where they do
// not, it leaves out what lies between. Either way position i of the patch is
//     first + i / pitch * dilation + i % pitch      in the image, pitch = min(dilation, span),
// and the taps are `pitch` apart in the patch.
struct PatchAxis {
  int64_t stride, pad, dilation, span, pitch, size;

  PatchAxis(int64_t outputs, int64_t stride, int64_t pad, int64_t dilation, int64_t kernel);
};

// Patches: the part of an image that a tile's outputs read, for one chunk of channels of one group,
// [row][column][channel in chunk], zero outside the image. All tiles of a map have patches of one size.
class PatchLayout {
 public:
  // Throws std::invalid_argument if a patch would be too large to address.
  PatchLayout(const LayerAttributes& attributes, const Geometry& geometry, int64_t tile_rows, int64_t tile_columns,
              int32_t chunk);

  int64_t size() const { return rows_.size * columns_.size * chunk_; }
  // Of the first tap of the tile's output (row, column).
  int32_t pixel_offset(int64_t row, int64_t column) const {
    return static_cast<int32_t>((row * rows_.stride * columns_.size + column * columns_.stride) * chunk_);
  }
  TapRuns taps() const { return {run_offsets_.data(), static_cast<int32_t>(run_offsets_.size()), run_length_}; }
  // image: its pixel (0, 0) at the chunk's first channel; channels: at most the chunk's; tile: whose patch it is.
  void pack(const VectorKernels& kernels, const float* image, const ImageStrides& strides, int64_t channels,
            const Tile& tile, float* patch) const;

 private:
  PatchAxis rows_, columns_;
  int64_t image_height_, image_width_, chunk_;
  int32_t run_length_;
  std::vector<int32_t> run_offsets_;
};

}  // namespace zaponnx
