// AVX2 + FMA: 8 floats, 16 registers. Include only in files compiled for it.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace zaponnx {
namespace {  // each file that includes this compiles its own copy, with its own
             // instruction set

struct Avx2 {
  using Vector = __m256;
  static constexpr int kLanes = 8;
  static constexpr int kPatternPixels = 3;  // x 4 channels: 12 accumulators, 3 pixels, 1 weight
  // x 1 ... 4 channels: at most 12 accumulators, and 3 weights and a pixel, or 3 pixels and a weight
  static constexpr int kBlockPixels[] = {8, 5, 4, 3};
  static constexpr int kProductTiles = 6;    // of a plane of Winograd's
  static constexpr int kProductVectors = 2;  // x 6 tiles: 12 accumulators, 2 weights, 1 input

  static Vector zero() { return _mm256_setzero_ps(); }
  static Vector broadcast(float value) { return _mm256_set1_ps(value); }
  static Vector load(const float* from) { return _mm256_loadu_ps(from); }
  // In a register: gcc would load a value that two instructions use twice.
  static Vector load_once(const float* from) {
    Vector v = load(from);
    asm("" : "+x"(v));
    return v;
  }
  static void store(float* to, Vector v) { _mm256_storeu_ps(to, v); }
  static Vector add(Vector a, Vector b) { return _mm256_add_ps(a, b); }
  static Vector sub(Vector a, Vector b) { return _mm256_sub_ps(a, b); }
  static Vector mul(Vector a, Vector b) { return _mm256_mul_ps(a, b); }
  static Vector fma(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
  // A NaN in the second operand is kept, as ONNX's Relu and Min keep it.
  static Vector max(Vector a, Vector b) { return _mm256_max_ps(a, b); }
  static Vector min(Vector a, Vector b) { return _mm256_min_ps(a, b); }
  // Bit i: not (a[i] <= b[i]), which holds for a NaN.
  static uint32_t not_less_equal(Vector a, Vector b) {
    return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_NLE_UQ)));
  }

  // sums[i] = the sum of the lanes of the i-th vector.
  static void sum_lanes(Vector v0, Vector v1, Vector v2, Vector v3, Vector v4, Vector v5, Vector v6, Vector v7,
                        float* sums) {
    const __m256 low = _mm256_hadd_ps(_mm256_hadd_ps(v0, v1), _mm256_hadd_ps(v2, v3));
    const __m256 high = _mm256_hadd_ps(_mm256_hadd_ps(v4, v5), _mm256_hadd_ps(v6, v7));
    _mm256_storeu_ps(sums,
                     _mm256_add_ps(_mm256_permute2f128_ps(low, high, 0x20), _mm256_permute2f128_ps(low, high, 0x31)));
  }

  // Transposes an 8 x 8 block.
  static void transpose(const float* from, int64_t from_stride, float* to, int64_t to_stride) {
    __m256 r[8];
    __m256 t[8];
    for (int i = 0; i < 4; ++i) {  // rows i and i + 4 side by side, half a row each
      const float* upper = from + i * from_stride;
      const float* lower = from + (i + 4) * from_stride;
      r[i] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(upper)), _mm_loadu_ps(lower), 1);
      r[i + 4] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(upper + 4)), _mm_loadu_ps(lower + 4), 1);
    }
    for (int i = 0; i < 8; i += 4) {  // a 4 x 4 transposition in each 128-bit lane
      t[0] = _mm256_unpacklo_ps(r[i], r[i + 1]);
      t[1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
      t[2] = _mm256_unpacklo_ps(r[i + 2], r[i + 3]);
      t[3] = _mm256_unpackhi_ps(r[i + 2], r[i + 3]);
      _mm256_storeu_ps(to + (i + 0) * to_stride, _mm256_shuffle_ps(t[0], t[2], 0x44));
      _mm256_storeu_ps(to + (i + 1) * to_stride, _mm256_shuffle_ps(t[0], t[2], 0xEE));
      _mm256_storeu_ps(to + (i + 2) * to_stride, _mm256_shuffle_ps(t[1], t[3], 0x44));
      _mm256_storeu_ps(to + (i + 3) * to_stride, _mm256_shuffle_ps(t[1], t[3], 0xEE));
    }
  }
  static constexpr int kTransposeBlock = 8;
};

}  // namespace
}  // namespace zaponnx
