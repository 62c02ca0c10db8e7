#include "kernels/winograd/weights.h"

#include <algorithm>

#include "kernels/winograd/transforms.h"

namespace zaponnx {
namespace {

constexpr int64_t kLargestChunk = 64;

int64_t chunks_of(const LayerWeights& weights) { return divide_up(weights.shape[1], kLargestChunk); }

int64_t chunk_of(const LayerWeights& weights, int64_t lanes) {
  return round_up(divide_up(weights.shape[1], chunks_of(weights)), lanes);
}

}  // namespace

int64_t WinogradWeights::size(const VectorKernels& kernels, const LayerWeights& weights, int outputs) {
  return (outputs + 2) * (outputs + 2) * chunks_of(weights) * chunk_of(weights, kernels.lanes) *
         round_up(weights.shape[0], kernels.lanes);
}

WinogradWeights::WinogradWeights(const VectorKernels& kernels, const LayerWeights& weights, int outputs)
    : chunk_(chunk_of(weights, kernels.lanes)),
      chunks_(chunks_of(weights)),
      width_(kernels.product_width),
      out_channels_(round_up(weights.shape[0], kernels.lanes)) {
  constexpr int kMostInputs = 6;
  const int inputs = outputs + 2;
  const int64_t count = size(kernels, weights, outputs);
  float* data = data_.reserve(count);
  std::fill(data, data + count, 0.0f);
  for (int64_t index = 0; index < blocks(); ++index) {
    const int64_t first = block(index);
    const int64_t end = std::min(first + width(index), weights.shape[0]);
    for (int64_t c = 0; c < weights.shape[1]; ++c) {
      for (int64_t m = first; m < end; ++m) {  // innermost: neighbours in each product's plane
        const float* taps = weights.W + (m * weights.shape[1] + c) * 9;
        double columns[kMostInputs * 3];
        double products[kMostInputs * kMostInputs];
        for (int i = 0; i < 3; ++i) transform_taps(outputs, taps + i, 3, columns + i, 3);
        for (int i = 0; i < inputs; ++i) transform_taps(outputs, columns + i * 3, 1, products + i * inputs, 1);
        float* to = data + first * in_channels() + c * width(index) + m - first;
        for (int i = 0; i < inputs * inputs; ++i, to += in_channels() * out_channels_) {
          *to = static_cast<float>(products[i]);
        }
      }
    }
  }
}

}  // namespace zaponnx
