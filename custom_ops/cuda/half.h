// Float16 and TF32 as bits, on the host: what the packed weights hold.
#pragma once

#include <cstdint>
#include <cstring>

namespace zaponnx::cuda {

inline uint32_t float_bits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

inline float bits_float(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// The nearest float16, ties to even; beyond 65504 infinity; a NaN stays one.
inline uint16_t half_of_float(float value) {
  const uint32_t bits = float_bits(value);
  const uint32_t sign = bits >> 16 & 0x8000;
  const uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return static_cast<uint16_t>(sign | 0x7e00);
  if (magnitude >= 0x477ff000) return static_cast<uint16_t>(sign | 0x7c00);  // 65520, halfway to the next
  if (magnitude < 0x38800000) {
    // Subnormal: adding 0.5 leaves the value in units of 2^-24 in the last bits, rounded by the addition.
    return static_cast<uint16_t>(sign | (float_bits(bits_float(magnitude) + 0.5f) - 0x3f000000));
  }
  const uint32_t odd = magnitude >> 13 & 1;
  return static_cast<uint16_t>(sign | ((magnitude - 0x38000000 + 0xfff + odd) >> 13));
}

inline float float_of_half(uint16_t half) {
  const uint32_t sign = uint32_t{half & 0x8000u} << 16;
  const uint32_t magnitude = half & 0x7fff;
  if (magnitude >= 0x7c00) return bits_float(sign | 0x7f800000 | (magnitude & 0x3ff) << 13);
  if (magnitude < 0x400) return bits_float(sign | float_bits(static_cast<float>(magnitude) * 0x1p-24f));
  return bits_float(sign | ((magnitude << 13) + 0x38000000));
}

// The nearest value of 10 fraction bits, ties away from zero, as cvt.rna.tf32 gives it.
inline float round_to_tf32(float value) {
  const uint32_t bits = float_bits(value);
  if ((bits & 0x7f800000) == 0x7f800000) return value;
  return bits_float((bits + 0x1000) & 0xffffe000);
}

}  // namespace zaponnx::cuda
