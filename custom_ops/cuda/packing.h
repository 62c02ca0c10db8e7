// The weights as the tiles read them: [block][channel of the block][tap][padded channel], zero beyond the layer's.
#pragma once

#include <vector>

#include "core/layer.h"
#include "cuda/plan.h"

namespace zaponnx::cuda {

// The bytes of the packed weights: float32, rounded to TF32, or float16, as the plan's precision says. Throws
// std::invalid_argument if a weight is infinite or not a number, or becomes so by rounding.
std::vector<unsigned char> pack_weights(const LayerPlan& plan, const LayerAttributes& attributes,
                                        const std::array<int64_t, 4>& w_shape, const float* w);

// [kPredictorParameters][channel]
std::vector<float> pack_predictor(const LayerAttributes& attributes, const LayerWeights& weights);

// PatternTable's `before`.
std::vector<int> count_before(const Pattern& pattern);

}  // namespace zaponnx::cuda
