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

}  // namespace zaponnx
