// The activation of one output.
#pragma once

namespace zaponnx {
namespace {  // each file that includes this compiles its own copy, with its own instruction set

// min(relu(value), bound), where a NaN stays a NaN, as in ONNX's Relu and Min.
inline float clipped(float value, float bound) {
  const float rectified = value < 0.0f ? 0.0f : value;
  return rectified > bound ? bound : rectified;
}

}  // namespace
}  // namespace zaponnx
