#include "kernels/patches/patches.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>

namespace zaponnx {

PatchAxis::PatchAxis(int64_t outputs, int64_t stride, int64_t pad, int64_t dilation, int64_t kernel)
    : stride(stride),
      pad(pad),
      dilation(dilation),
      span((outputs - 1) * stride + 1),
      pitch(std::min(dilation, span)),
      size(span + (kernel - 1) * pitch) {}

PatchLayout::PatchLayout(const LayerAttributes& attributes, const Geometry& g, int64_t tile_rows, int64_t tile_columns,
                         int32_t chunk)
    : rows_(tile_rows, attributes.strides[0], attributes.pads[0], attributes.dilations[0], g.kernel_height),
      columns_(tile_columns, attributes.strides[1], attributes.pads[1], attributes.dilations[1], g.kernel_width),
      image_height_(g.in_height),
      image_width_(g.in_width),
      chunk_(chunk) {
  constexpr int64_t kLargest = std::numeric_limits<int32_t>::max();
  if (rows_.size > kLargest / chunk || columns_.size > kLargest / chunk / rows_.size) {
    throw std::invalid_argument("ZapConv: a kernel of " + std::to_string(g.kernel_height) + " x " +
                                std::to_string(g.kernel_width) + " is too large; ZAPONNX_ISA=scalar can compute it.");
  }
  // A kernel row whose taps are neighbours is one run.
  const int64_t runs_per_row = columns_.pitch == 1 ? 1 : g.kernel_width;
  run_length_ = static_cast<int32_t>(g.kernel_width / runs_per_row * chunk);
  for (int64_t row = 0; row < g.kernel_height; ++row) {
    for (int64_t run = 0; run < runs_per_row; ++run) {
      const int64_t tap = row * rows_.pitch * columns_.size + run * columns_.pitch;
      run_offsets_.push_back(static_cast<int32_t>(tap * chunk));
    }
  }
}

void PatchLayout::pack(const VectorKernels& kernels, const float* image, const ImageStrides& strides, int64_t channels,
                       const Tile& tile, float* patch) const {
  const int64_t top = tile.top * rows_.stride - rows_.pad;
  const int64_t left = tile.left * columns_.stride - columns_.pad;
  // Columns that are neighbours in the image as well: all of them, or a span at a time.
  const int64_t part = columns_.pitch == columns_.dilation ? columns_.size : columns_.span;
  for (int64_t row = 0; row < rows_.size; ++row) {
    const int64_t image_row = top + row / rows_.pitch * rows_.dilation + row % rows_.pitch;
    const bool outside = image_row < 0 || image_row >= image_height_;
    for (int64_t first = 0; first < columns_.size; first += part, patch += part * chunk_) {
      const int64_t image_column = left + first / part * columns_.dilation;
      // Columns [inside, end) of this part lie in the image.
      const int64_t inside = outside ? part : std::clamp<int64_t>(-image_column, 0, part);
      const int64_t end = std::clamp<int64_t>(image_width_ - image_column, inside, part);
      if (channels < chunk_) {
        std::memset(patch, 0, part * chunk_ * sizeof(float));
      } else {
        std::memset(patch, 0, inside * chunk_ * sizeof(float));
        std::memset(patch + end * chunk_, 0, (part - end) * chunk_ * sizeof(float));
      }
      if (inside == end) continue;
      const float* from = image + (image_row * image_width_ + image_column + inside) * strides.pixel;
      float* to = patch + inside * chunk_;
      if (strides.channel != 1) {
        kernels.transpose(from, strides.channel, to, chunk_, channels, end - inside);
      } else if (strides.pixel == chunk_ && channels == chunk_) {
        std::memcpy(to, from, (end - inside) * chunk_ * sizeof(float));
      } else {
        for (int64_t column = inside; column < end; ++column, from += strides.pixel, to += chunk_) {
          std::memcpy(to, from, channels * sizeof(float));
        }
      }
    }
  }
}

}  // namespace zaponnx
