// NEON (aarch64): 4 floats, 32 registers.
#pragma once

#include <arm_neon.h>

#include <cstdint>

namespace zaponnx {
namespace {  // each file that includes this compiles its own copy, with its own instruction set

struct Neon {
  using Vector = float32x4_t;
  static constexpr int kLanes = 4;
  static constexpr int kPatternPixels = 6;  // x 4 channels: 24 accumulators, 6 pixels, 1 weight
  // x 1 ... 4 channels: at most 24 accumulators, and 3 weights and a pixel, or 6 pixels and a weight
  static constexpr int kBlockPixels[] = {8, 8, 8, 6};
  static constexpr int kProductTiles = 6;    // of a plane of Winograd's
  static constexpr int kProductVectors = 4;  // x 6 tiles: 24 accumulators, 4 weights, 1 input

  static Vector zero() { return vdupq_n_f32(0.0f); }
  static Vector broadcast(float value) { return vdupq_n_f32(value); }
  static Vector load(const float* from) { return vld1q_f32(from); }
  // In a register: gcc would load a value that two instructions use twice.
  static Vector load_once(const float* from) {
    Vector v = load(from);
    asm("" : "+w"(v));
    return v;
  }
  static void store(float* to, Vector v) { vst1q_f32(to, v); }
  static Vector add(Vector a, Vector b) { return vaddq_f32(a, b); }
  static Vector sub(Vector a, Vector b) { return vsubq_f32(a, b); }
  static Vector mul(Vector a, Vector b) { return vmulq_f32(a, b); }
  static Vector fma(Vector a, Vector b, Vector c) { return vfmaq_f32(c, a, b); }
  // A NaN in either operand is kept, as ONNX's Relu and Min keep it.
  static Vector max(Vector a, Vector b) { return vmaxq_f32(a, b); }
  static Vector min(Vector a, Vector b) { return vminq_f32(a, b); }
  // Bit i: not (a[i] <= b[i]), which holds for a NaN.
  static uint32_t not_less_equal(Vector a, Vector b) {
    const uint32x4_t bits = {1, 2, 4, 8};
    return vaddvq_u32(vbicq_u32(bits, vcleq_f32(a, b)));
  }

  // sums[i] = the sum of the lanes of the i-th vector.
  static void sum_lanes(Vector v0, Vector v1, Vector v2, Vector v3, Vector v4, Vector v5, Vector v6, Vector v7,
                        float* sums) {
    vst1q_f32(sums, vpaddq_f32(vpaddq_f32(v0, v1), vpaddq_f32(v2, v3)));
    vst1q_f32(sums + 4, vpaddq_f32(vpaddq_f32(v4, v5), vpaddq_f32(v6, v7)));
  }

  // Transposes a 4 x 4 block.
  static void transpose(const float* from, int64_t from_stride, float* to, int64_t to_stride) {
    float32x4x4_t columns;
    for (int i = 0; i < 4; ++i) columns.val[i] = vld1q_f32(from + i * from_stride);
    float block[16];
    vst4q_f32(block, columns);
    for (int i = 0; i < 4; ++i) vst1q_f32(to + i * to_stride, vld1q_f32(block + 4 * i));
  }
  static constexpr int kTransposeBlock = 4;
};

}  // namespace
}  // namespace zaponnx
