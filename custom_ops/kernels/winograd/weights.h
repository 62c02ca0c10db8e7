// The weights of a Winograd layer, transformed and packed.
#pragma once

#include <algorithm>

#include "core/layer.h"
#include "core/memory.h"
#include "kernels/vector_kernels.h"

namespace zaponnx {

class WinogradWeights {
 public:
  // outputs: m of F(m x m, 3 x 3), 2 or 4.
  WinogradWeights(const VectorKernels& kernels, const LayerWeights& weights, int outputs);

  // Floats that these weights take.
  static int64_t size(const VectorKernels& kernels, const LayerWeights& weights, int outputs);

  int64_t chunk() const { return chunk_; }  // input channels in a chunk, a multiple of the vector length
  int64_t chunks() const { return chunks_; }
  int64_t in_channels() const { return chunk_ * chunks_; }
  int64_t blocks() const { return divide_up(out_channels_, width_); }  // of output channels
  int64_t block(int64_t index) const { return index * width_; }        // its first channel
  // Of a block, a multiple of the vector length; the channels beyond the last are padding.
  int64_t width(int64_t index) const { return std::min(width_, out_channels_ - index * width_); }
  // [input channel][output channel of the block], for one of the (m + 2)^2 products.
  const float* at(int64_t product, int64_t index) const {
    return data_.data() + (product * out_channels_ + index * width_) * in_channels();
  }

 private:
  template <int Outputs>
  void transform(const LayerWeights& weights);

  int64_t chunk_, chunks_, width_, out_channels_;  // with padding
  Buffer<float> data_;
};

}  // namespace zaponnx
