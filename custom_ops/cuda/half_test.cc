// Rounding to float16 and TF32, against every value of theirs.
#include "cuda/half.h"

#include <cmath>
#include <limits>

#include "testing/check.h"

namespace zaponnx::cuda {
namespace {

TEST(every_float16_is_itself) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const float value = float_of_half(half);
    if (std::isnan(value)) {
      CHECK(std::isnan(float_of_half(half_of_float(value))));
    } else {
      CHECK(half_of_float(value) == half, bits);
    }
  }
  CHECK(float_of_half(0x3c00) == 1.0f && float_of_half(0xc000) == -2.0f && float_of_half(0x0001) == 0x1p-24f);
  CHECK(float_of_half(0x7bff) == 65504.0f && float_of_half(0x7c00) == std::numeric_limits<float>::infinity());
}

// Between neighbours the nearer one is taken, and halfway the even one.
TEST(float16_is_the_nearest) {
  for (uint16_t half = 0; half < 0x7bff; ++half) {
    const float low = float_of_half(half);
    const float high = float_of_half(half + 1);
    const float middle = low + (high - low) / 2;
    CHECK(half_of_float(middle) == (half % 2 == 0 ? half : half + 1), half);
    CHECK(half_of_float(std::nextafter(middle, low)) == half, half);
    CHECK(half_of_float(std::nextafter(middle, high)) == half + 1, half);
  }
  CHECK(half_of_float(65519.996f) == 0x7bff && half_of_float(65520.0f) == 0x7c00 && half_of_float(-1e30f) == 0xfc00);
}

TEST(tf32_has_ten_bits) {
  CHECK(round_to_tf32(1.0f) == 1.0f && round_to_tf32(-0.0f) == 0.0f);
  CHECK(round_to_tf32(1.0f + 0x1p-11f) == 1.0f + 0x1p-10f);  // ties away from zero
  CHECK(round_to_tf32(-1.0f - 0x1p-11f) == -1.0f - 0x1p-10f);
  CHECK(round_to_tf32(std::nextafter(1.0f + 0x1p-11f, 0.0f)) == 1.0f);
  CHECK(round_to_tf32(2.0f - 0x1p-12f) == 2.0f);
  CHECK(std::isnan(round_to_tf32(std::nanf(""))) && std::isinf(round_to_tf32(INFINITY)));
}

}  // namespace
}  // namespace zaponnx::cuda
