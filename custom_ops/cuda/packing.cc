#include "cuda/packing.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "cuda/half.h"

namespace zaponnx::cuda {

std::vector<unsigned char> pack_weights(const LayerPlan& plan, const LayerAttributes& attributes,
                                        const std::array<int64_t, 4>& w_shape, const float* w) {
  const bool half = plan.products == Products::kHalf;
  const bool tf32 = plan.products == Products::kTf32;
  const int64_t row = plan.packed_count() / plan.blocks / kBlockChannels;
  const int64_t taps = w_shape[2] * w_shape[3];
  const int64_t group_channels = w_shape[0] / attributes.group;
  std::vector<unsigned char> packed(plan.packed_count() * plan.operand_bytes());
  for (int64_t m = 0; m < w_shape[0]; ++m) {
    const int64_t group = m / group_channels;
    const int64_t packed_row = group * plan.group_blocks * kBlockChannels + m % group_channels;
    for (int64_t c = 0; c < w_shape[1]; ++c) {
      for (int64_t tap = 0; tap < taps; ++tap) {
        const float value = w[(m * w_shape[1] + c) * taps + tap];
        const float rounded = half ? float_of_half(half_of_float(value)) : tf32 ? round_to_tf32(value) : value;
        if (!std::isfinite(rounded)) {
          throw std::invalid_argument(std::isfinite(value)
                                          ? "ZapConv: input W has a value that the precision asked for cannot hold; "
                                            "ask for float32."
                                          : "ZapConv: input W has a value that is infinite or not a number.");
        }
        const int64_t index = packed_row * row + tap * plan.padded_channels + c;
        if (half) {
          reinterpret_cast<uint16_t*>(packed.data())[index] = half_of_float(value);
        } else {
          reinterpret_cast<float*>(packed.data())[index] = rounded;
        }
      }
    }
  }
  return packed;
}

std::vector<float> pack_predictor(const LayerAttributes& attributes, const LayerWeights& weights) {
  std::vector<float> packed(attributes.channels * kPredictorParameters);
  for (int64_t m = 0; m < attributes.channels; ++m) {
    auto parameter = [&](int64_t index) -> float& { return packed[index * attributes.channels + m]; };
    for (int64_t tap = 0; tap < 9; ++tap) {
      parameter(tap) = weights.P1[m * 9 + tap];
      parameter(10 + tap) = weights.P2[m * 9 + tap];
    }
    parameter(9) = weights.p1[m];
    parameter(19) = weights.p2[m];
    parameter(20) = attributes.threshold[attributes.threshold.size() == 1 ? 0 : m];
  }
  return packed;
}

std::vector<int> count_before(const Pattern& pattern) {
  std::vector<int> before;
  for (int64_t row = 0; row < pattern.rows; ++row) {
    int count = 0;
    for (int64_t column = 0; column < pattern.columns; ++column) {
      before.push_back(count);
      count += pattern.at(row, column);
    }
    before.push_back(count);
  }
  return before;
}

}  // namespace zaponnx::cuda
