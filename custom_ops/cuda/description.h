// A layer as the C interface describes it.
#pragma once

#include <algorithm>

#include "core/layer.h"
#include "cuda/zaponnx_cuda.h"

namespace zaponnx {

// Float32 activations and the defaults of the rest. Refers to the attributes and the weights, which must outlive it.
inline zaponnx_cuda_layer_description describe_layer(const LayerAttributes& attributes, const LayerWeights& w) {
  zaponnx_cuda_layer_description d{};
  std::copy(w.shape.begin(), w.shape.end(), d.w_shape);
  std::copy(attributes.strides.begin(), attributes.strides.end(), d.strides);
  std::copy(attributes.dilations.begin(), attributes.dilations.end(), d.dilations);
  std::copy(attributes.pads.begin(), attributes.pads.end(), d.pads);
  d.group = attributes.group;
  d.pattern_shape[0] = attributes.pattern.rows;
  d.pattern_shape[1] = attributes.pattern.columns;
  d.pattern = attributes.pattern.tile.data();
  d.threshold_count = static_cast<int64_t>(attributes.threshold.size());
  d.threshold = attributes.threshold.data();
  d.W = w.W;
  d.B = w.B;
  d.P1 = w.P1;
  d.p1 = w.p1;
  d.P2 = w.P2;
  d.p2 = w.p2;
  d.bound = attributes.bound;
  d.layout = attributes.layout == Layout::kNhwc ? ZAPONNX_CUDA_NHWC : ZAPONNX_CUDA_NCHW;
  d.element = ZAPONNX_CUDA_ELEMENT_FLOAT32;
  d.precision = ZAPONNX_CUDA_PRECISION_FLOAT32;
  d.method = ZAPONNX_CUDA_METHOD_AUTO;
  d.element_channels = ZAPONNX_CUDA_ELEMENT_CHANNELS_DEFAULT;
  return d;
}

}  // namespace zaponnx
