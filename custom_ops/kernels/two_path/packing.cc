#include "kernels/two_path/packing.h"

#include <algorithm>
#include <cstring>

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
  float* to = data_.reserve(groups * chunks_ * group_channels_ * taps_ * chunk_);
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

PatchLayout::PatchLayout(const LayerAttributes& attributes, const Geometry& g, int64_t tile_rows, int64_t tile_columns,
                         int32_t chunk)
    : strides_(attributes.strides),
      pads_(attributes.pads),
      image_height_(g.in_height),
      image_width_(g.in_width),
      rows_((tile_rows - 1) * strides_[0] + attributes.dilations[0] * (g.kernel_height - 1) + 1),
      columns_((tile_columns - 1) * strides_[1] + attributes.dilations[1] * (g.kernel_width - 1) + 1),
      chunk_(chunk) {
  // Without dilation a kernel row is one run.
  const int64_t runs_per_row = attributes.dilations[1] == 1 ? 1 : g.kernel_width;
  run_length_ = static_cast<int32_t>(g.kernel_width / runs_per_row * chunk);
  for (int64_t row = 0; row < g.kernel_height; ++row) {
    for (int64_t run = 0; run < runs_per_row; ++run) {
      const int64_t tap = row * attributes.dilations[0] * columns_ + run * attributes.dilations[1];
      run_offsets_.push_back(static_cast<int32_t>(tap * chunk));
    }
  }
}

void PatchLayout::pack(const VectorKernels& kernels, const float* planes, int64_t channels, const Tile& tile,
                       float* patch) const {
  const int64_t top = tile.top * strides_[0] - pads_[0];
  const int64_t left = tile.left * strides_[1] - pads_[1];
  const int64_t plane = image_height_ * image_width_;
  // Columns [inside, end) of the patch lie in the image.
  const int64_t inside = std::clamp<int64_t>(-left, 0, columns_);
  const int64_t end = std::clamp<int64_t>(image_width_ - left, inside, columns_);
  for (int64_t row = 0; row < rows_; ++row, patch += columns_ * chunk_) {
    const int64_t image_row = top + row;
    const bool empty = image_row < 0 || image_row >= image_height_ || inside == end;
    if (empty || channels < chunk_) {
      std::memset(patch, 0, columns_ * chunk_ * sizeof(float));
    } else {
      std::memset(patch, 0, inside * chunk_ * sizeof(float));
      std::memset(patch + end * chunk_, 0, (columns_ - end) * chunk_ * sizeof(float));
    }
    if (empty) continue;
    kernels.transpose(planes + image_row * image_width_ + left + inside, plane, patch + inside * chunk_, chunk_,
                      channels, end - inside);
  }
}

}  // namespace zaponnx
