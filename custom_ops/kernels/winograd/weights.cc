#include "kernels/winograd/weights.h"

#include <algorithm>
#include <array>

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
  data_.reserve(size(kernels, weights, outputs));
  if (outputs == 4) {
    transform<4>(weights);
  } else {
    transform<2>(weights);
  }
}

template <int Outputs>
void WinogradWeights::transform(const LayerWeights& weights) {
  constexpr int kInputs = Outputs + 2;
  // Output channels at a time: the planes are far from one another, so whole cache lines.
  constexpr int64_t kLanes = 16;
  std::array<std::array<double, kLanes>, 9> taps{};
  std::array<std::array<double, kLanes>, kInputs * 3> columns;
  std::array<std::array<double, kLanes>, kInputs * kInputs> products;
  for (int64_t index = 0; index < blocks(); ++index) {
    for (int64_t c = 0; c < in_channels(); ++c) {
      for (int64_t m = 0; m < width(index); m += kLanes) {
        const int64_t lanes = std::min(kLanes, width(index) - m);
        for (int64_t lane = 0; lane < lanes; ++lane) {
          const int64_t channel = block(index) + m + lane;
          const bool padding = channel >= weights.shape[0] || c >= weights.shape[1];
          const float* from = padding ? nullptr : weights.W + (channel * weights.shape[1] + c) * 9;
          for (int i = 0; i < 9; ++i) taps[i][lane] = padding ? 0.0 : from[i];
        }
        for (int i = 0; i < 3; ++i) transform_taps<Outputs>(&taps[i], 3, &columns[i], 3);
        for (int i = 0; i < kInputs; ++i) transform_taps<Outputs>(&columns[i * 3], 1, &products[i * kInputs], 1);
        float* to = data_.data() + block(index) * in_channels() + c * width(index) + m;
        for (const auto& product : products) {
          for (int64_t lane = 0; lane < lanes; ++lane) to[lane] = static_cast<float>(product[lane]);
          to += in_channels() * out_channels_;
        }
      }
    }
  }
}

}  // namespace zaponnx
