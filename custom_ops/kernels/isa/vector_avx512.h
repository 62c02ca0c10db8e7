// AVX-512 (F, DQ, BW, VL): 16 floats, 32 registers. Include only in files compiled for it.
#pragma once

#include "kernels/isa/vector_avx2.h"

namespace zaponnx {
namespace {  // each file that includes this compiles its own copy, with its own instruction set

struct Avx512 {
  using Vector = __m512;
  static constexpr int kLanes = 16;
  static constexpr int kPatternPixels = 6;  // x 4 channels: 24 accumulators, 6 pixels, 1 weight
  // x 1 ... 4 channels: at most 24 accumulators, and 3 weights and a pixel, or 6 pixels and a weight
  static constexpr int kBlockPixels[] = {8, 8, 8, 6};
  static constexpr int kProductTiles = 6;    // of a plane of Winograd's
  static constexpr int kProductVectors = 4;  // x 6 tiles: 24 accumulators, 4 weights, 1 input

  static Vector zero() { return _mm512_setzero_ps(); }
  static Vector broadcast(float value) { return _mm512_set1_ps(value); }
  static Vector load(const float* from) { return _mm512_loadu_ps(from); }
  // In a register: gcc would load a value that two instructions use twice.
  static Vector load_once(const float* from) {
    Vector v = load(from);
    asm("" : "+v"(v));
    return v;
  }
  static void store(float* to, Vector v) { _mm512_storeu_ps(to, v); }
  static Vector add(Vector a, Vector b) { return _mm512_add_ps(a, b); }
  static Vector sub(Vector a, Vector b) { return _mm512_sub_ps(a, b); }
  static Vector mul(Vector a, Vector b) { return _mm512_mul_ps(a, b); }
  static Vector fma(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
  // A NaN in the second operand is kept, as ONNX's Relu and Min keep it.
  static Vector max(Vector a, Vector b) { return _mm512_max_ps(a, b); }
  static Vector min(Vector a, Vector b) { return _mm512_min_ps(a, b); }
  // Bit i: not (a[i] <= b[i]), which holds for a NaN.
  static uint32_t not_less_equal(Vector a, Vector b) { return _mm512_cmp_ps_mask(a, b, _CMP_NLE_UQ); }

  // sums[i] = the sum of the lanes of the i-th vector.
  static void sum_lanes(Vector v0, Vector v1, Vector v2, Vector v3, Vector v4, Vector v5, Vector v6, Vector v7,
                        float* sums) {
    const __m512 low = add_neighbours(add_halves(v0, v4), add_halves(v1, v5));
    const __m512 high = add_neighbours(add_halves(v2, v6), add_halves(v3, v7));
    const __m512 quarters = add_neighbours(low, high);
    // Lanes: 0-3, 0-3, 4-7, 4-7, half a sum each.
    const __m512 sum = _mm512_add_ps(quarters, _mm512_shuffle_f32x4(quarters, quarters, 0xB1));
    _mm_storeu_ps(sums, _mm512_castps512_ps128(sum));
    _mm_storeu_ps(sums + 4, _mm512_extractf32x4_ps(sum, 2));
  }

  static void transpose(const float* from, int64_t from_stride, float* to, int64_t to_stride) {
    Avx2::transpose(from, from_stride, to, to_stride);
  }
  static constexpr int kTransposeBlock = Avx2::kTransposeBlock;

 private:
  // In 128-bit lanes: a0+a2, a1+a3, b0+b2, b1+b3.
  static __m512 add_halves(__m512 a, __m512 b) {
    return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xEE));
  }
  // In each 128-bit lane: a0+a1, a2+a3, b0+b1, b2+b3.
  static __m512 add_neighbours(__m512 a, __m512 b) {
    return _mm512_add_ps(_mm512_shuffle_ps(a, b, 0x88), _mm512_shuffle_ps(a, b, 0xDD));
  }
};

}  // namespace
}  // namespace zaponnx
