// The two-path layer's packed weights and predictors.
//
// Input channels are cut in chunks of `chunk` channels (padded with zeros), so that a chunk of a tile's patch stays
// near the core. In the packed weights, as in a patch, the taps of a kernel row are contiguous, channel by channel,
// which turns the taps of one output into a few runs; the lanes of a vector then hold neighbouring channels.
#pragma once

#include "core/layer.h"
#include "core/memory.h"
#include "kernels/vector_kernels.h"

namespace zaponnx {

class PackedWeights {
 public:
  PackedWeights(const LayerAttributes& attributes, const LayerWeights& weights, int32_t lanes);

  int32_t chunk() const { return chunk_; }      // channels in a chunk, a multiple of the vector length
  int32_t chunks() const { return chunks_; }    // of a group
  int64_t taps() const { return taps_; }        // kH * kW
  bool large() const { return size_ > kInL2; }  // they come from L3 or memory
  // The weights of a chunk of a group, from the group's output channel `channel` on.
  ChunkWeights at(int64_t group, int32_t chunk_index, int64_t channel) const {
    const int64_t stride = taps_ * chunk_;
    return {data_.data() + ((group * chunks_ + chunk_index) * group_channels_ + channel) * stride, stride, large()};
  }

 private:
  static constexpr int64_t kInL2 = 256 << 10;  // floats

  int32_t chunk_, chunks_;
  int64_t taps_, group_channels_, size_;
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

}  // namespace zaponnx
