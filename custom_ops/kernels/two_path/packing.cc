#include "kernels/two_path/packing.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>

namespace zaponnx {
namespace {

constexpr int64_t kLargestChunk = 64;

}  // namespace

PackedWeights::PackedWeights(const LayerAttributes& attributes, const LayerWeights& weights, int32_t lanes) {
  const auto [out_channels, in_channels, kernel_height, kernel_width] = weights.shape;
  const int64_t groups = attributes.group;
  group_channels_ = out_channels / groups;
  taps_ = kernel_height * kernel_width;
  chunks_ = static_cast<int32_t>(divide_up(in_channels, kLargestChunk));
  chunk_ = static_cast<int32_t>(divide_up(divide_up(in_channels, chunks_), lanes) * lanes);
  size_ = groups * chunks_ * group_channels_ * taps_ * chunk_;
  float* to = data_.reserve(size_);
  for (int64_t group = 0; group < groups; ++group) {
    for (int64_t chunk = 0; chunk < chunks_; ++chunk) {
      for (int64_t m = 0; m < group_channels_; ++m) {
        const float* from = weights.W + (group * group_channels_ + m) * in_channels * taps_;
        for (int64_t tap = 0; tap < taps_; ++tap) {
          for (int64_t c = chunk * chunk_; c < (chunk + 1) * chunk_; ++c) {
            *to++ = c < in_channels ? from[c * taps_ + tap] : 0.0f;
          }
        }
      }
    }
  }
}

PackedPredictors::PackedPredictors(const LayerAttributes& attributes, const LayerWeights& weights, int32_t lanes)
    : lanes_(lanes), padded_channels_(weights.shape[0] + lanes) {
  float* data = data_.reserve(kPredictorVectors * padded_channels_);
  std::fill(data, data + kPredictorVectors * padded_channels_, 0.0f);
  for (int64_t m = 0; m < weights.shape[0]; ++m) {
    for (int64_t tap = 0; tap < 9; ++tap) {
      data[tap * padded_channels_ + m] = weights.P1[m * 9 + tap];
      data[(10 + tap) * padded_channels_ + m] = weights.P2[m * 9 + tap];
    }
    data[9 * padded_channels_ + m] = weights.p1[m];
    data[19 * padded_channels_ + m] = weights.p2[m];
    data[20 * padded_channels_ + m] = attributes.threshold[attributes.threshold.size() == 1 ? 0 : m];
  }
}

void PackedPredictors::strip(int64_t channel, float* to) const {
  for (int32_t i = 0; i < kPredictorVectors; ++i) {
    std::memcpy(to + i * lanes_, data_.data() + i * padded_channels_ + channel, lanes_ * sizeof(float));
  }
}

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
