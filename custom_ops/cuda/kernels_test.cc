// Every kernel of the CUDA half against the formula: emulated on the host, and, where there is a GPU, on it.
#include <cmath>
#include <limits>

#include "cuda/half.h"
#include "cuda/testing/cuda_kernel.h"
#include "testing/check.h"

namespace zaponnx::testing {
namespace {

using cuda::Choices;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

const Pattern kCheckerboard{2, 2, {1, 0, 0, 1}};
const Pattern kDiagonal{3, 3, {0, 0, 1, 0, 1, 0, 1, 0, 0}};
const Pattern kSparse{5, 5, {0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 0, 0, 1, 0, 0, 1, 1, 0, 0, 1, 0}};
const Pattern kRare{7, 3, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};

Case make_case(int64_t batch, int64_t in_channels, int64_t height, int64_t width, int64_t out_channels, int64_t kernel,
               const Pattern& pattern, int64_t group = 1) {
  Case c;
  c.attributes = {Layout::kNchw, {1, 1},       {1, 1},  {kernel / 2, kernel / 2, kernel / 2, kernel / 2},
                  group,         out_channels, pattern, {0.5f},
                  kInfinity};
  c.w_shape = {out_channels, in_channels / group, kernel, kernel};
  c.x_shape = {batch, in_channels, height, width};
  return c;
}

Case strided(Case c, std::array<int64_t, 2> strides, std::array<int64_t, 2> dilations, std::array<int64_t, 4> pads) {
  c.attributes.strides = strides;
  c.attributes.dilations = dilations;
  c.attributes.pads = pads;
  return c;
}

std::vector<Case> shapes() {
  return {
      make_case(1, 16, 9, 10, 16, 3, kCheckerboard),
      make_case(2, 3, 9, 21, 70, 3, kDiagonal),    // two channel blocks; X padded to a vector
      make_case(1, 130, 6, 5, 9, 3, kSparse),      // K in slices
      make_case(3, 8, 1, 1, 8, 1, kCheckerboard),  // one pixel
      make_case(1, 5, 12, 19, 12, 5, kDiagonal),   // more than one tile of 128 pixels
      make_case(1, 4, 12, 17, 3, 1, kRare),
      strided(make_case(2, 12, 13, 11, 10, 3, kCheckerboard), {2, 2}, {1, 1}, {1, 1, 1, 1}),
      strided(make_case(1, 12, 13, 11, 10, 3, kCheckerboard), {1, 3}, {1, 1}, {0, 2, 1, 0}),
      strided(make_case(1, 10, 12, 13, 12, 3, kDiagonal), {1, 1}, {2, 3}, {2, 3, 2, 3}),
      strided(make_case(1, 3, 40, 40, 8, 11, kCheckerboard), {17, 20}, {1, 1}, {5, 5, 5, 5}),
      make_case(2, 12, 7, 7, 18, 3, kCheckerboard, 3),  // groups
      make_case(1, 7, 9, 9, 7, 3, kDiagonal, 7),        // depthwise
  };
}

// Residual, bound and thresholds by channel, in turn.
void vary(Case& c, int variant) {
  c.has_residual = variant % 2 == 1;
  c.attributes.bound = variant == 2 ? 6.0f : kInfinity;
  c.attributes.threshold.assign(variant == 3 ? c.w_shape[0] : 1, 0.5f);
  for (size_t m = 0; m < c.attributes.threshold.size(); ++m) c.attributes.threshold[m] += 0.25f * (m % 5);
}

// Rounds what is multiplied to float16, which is TF32, too: then products are exact in all precisions.
void round_factors(Case& c) {
  for (auto* values : {&c.x, &c.W}) {
    for (float& value : *values) value = cuda::float_of_half(cuda::half_of_float(value));
  }
}

Choices choices(int precision, int element_channels = ZAPONNX_CUDA_ELEMENT_CHANNELS_DEFAULT) {
  Choices c = kStrict;
  c.precision = precision;
  c.element_channels = element_channels;
  return c;
}

void check_every_shape_in_float32() {
  std::mt19937 rng(1);
  int index = 0;
  for (Case& c : shapes()) {
    for (int variant = 0; variant < 4; ++variant) {
      vary(c, variant);
      c.randomize(rng);
      const int element_channels = std::array<int, 4>{8, 0, 64, 3}[(index + variant) % 4];
      check_kernel(cuda_kernel(choices(ZAPONNX_CUDA_PRECISION_FLOAT32, element_channels)), c, Serial(),
                   text("case ", index, " variant ", variant));
    }
    ++index;
  }
}

TEST(every_shape_in_float32) { check_every_shape_in_float32(); }

TEST(every_shape_on_tensor_cores) {
  std::mt19937 rng(2);
  int index = 0;
  for (Case& c : shapes()) {
    for (int precision : {ZAPONNX_CUDA_PRECISION_TF32, ZAPONNX_CUDA_PRECISION_FLOAT16}) {
      vary(c, (index + precision) % 4);
      c.randomize(rng);
      round_factors(c);
      check_kernel(cuda_kernel(choices(precision, std::array<int, 3>{4, 0, 64}[index % 3])), c, Serial(),
                   text("case ", index, " precision ", precision));
    }
    ++index;
  }
}

TEST(every_shape_by_the_reference) {
  std::mt19937 rng(3);
  int index = 0;
  for (Case& c : shapes()) {
    vary(c, index % 4);
    c.randomize(rng);
    Choices reference = kStrict;
    reference.method = ZAPONNX_CUDA_METHOD_REFERENCE;
    check_kernel(cuda_kernel(reference), c, Serial(), text("case ", index++));
  }
}

TEST(random_shapes) {
  std::mt19937 rng(4);
  auto pick = [&](int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(rng); };
  for (int round = 0; round < 30; ++round) {
    const int64_t group = pick(0, 3) == 0 ? pick(2, 3) : 1;
    Pattern pattern{pick(1, 4), pick(1, 4), {}};
    for (int64_t i = 0; i < pattern.rows * pattern.columns; ++i) pattern.tile.push_back(pick(0, 1));
    Case c = make_case(pick(1, 2), group * pick(1, 40), pick(6, 16), pick(6, 20), group * pick(1, 70), pick(1, 4),
                       pattern, group);
    c = strided(c, {pick(1, 3), pick(1, 3)}, {pick(1, 2), pick(1, 2)},
                {pick(0, 2), pick(0, 2), pick(0, 2), pick(0, 2)});
    c.x_shape[2] += 2 * c.w_shape[2];
    vary(c, static_cast<int>(pick(0, 3)));
    c.attributes.threshold[0] = static_cast<float>(pick(-3, 3));
    c.randomize(rng);
    round_factors(c);
    const Choices chosen = choices(static_cast<int>(pick(0, 2)), static_cast<int>(pick(-1, 64)));
    check_kernel(cuda_kernel(chosen), c, Serial(), text("round ", round, " precision ", chosen.precision));
  }
}

#ifdef ZAPONNX_EMULATED_CUDA
using cuda::emulation::Order;

TEST(large_tiles_and_slices) {
  std::mt19937 rng(5);
  // By the number of multiprocessors: large tiles without slices, medium and small ones in slices.
  for (int multiprocessors : {1, 8, 60}) {
    for (int architecture : {86, 90}) {
      Emulating emulating({Order::kForward, multiprocessors, 2, {architecture}});
      for (int precision : {0, 1, 2}) {
        if (architecture == 86 && precision != 0) continue;  // the same kernels as for 90
        Case c = make_case(1, 70, 19, 16, 66, 3, kCheckerboard);
        c.randomize(rng);
        round_factors(c);
        check_kernel(cuda_kernel(choices(precision, 20)), c, Serial(),
                     text(multiprocessors, " ", architecture, " ", precision));
      }
    }
  }
}

TEST(no_order_of_threads_and_blocks_changes_a_bit) {
  std::mt19937 rng(6);
  Case c = make_case(2, 50, 11, 13, 80, 3, kDiagonal);
  c.has_residual = true;
  c.randomize(rng);
  for (int precision : {0, 1, 2}) {
    for (int multiprocessors : {1, 4, 30}) {
      std::vector<float> first;
      for (Order order : {Order::kForward, Order::kBackward, Order::kShuffled}) {
        Emulating emulating({order, multiprocessors});
        const std::vector<float> y = run_kernel(cuda_kernel(choices(precision, 24)), c, Serial());
        if (first.empty()) first = y;
        CHECK(y == first, "precision ", precision, ", ", multiprocessors, " multiprocessors");
      }
    }
  }
}

TEST(a_batch_does_not_change_an_image) {
  std::mt19937 rng(7);
  Case c = make_case(3, 20, 9, 9, 24, 3, kCheckerboard);
  c.randomize(rng);
  Emulating emulating({Order::kForward, 1});  // as many slices for one image as for three: none
  const std::vector<float> y = run_kernel(cuda_kernel(kStrict), c, Serial());
  Case last = c;
  last.x_shape[0] = 1;
  last.x.assign(c.x.end() - c.x.size() / 3, c.x.end());
  CHECK(std::vector<float>(y.end() - y.size() / 3, y.end()) == run_kernel(cuda_kernel(kStrict), last, Serial()));
}

TEST(every_shape_on_fp32_units) {
  Emulating emulating({Order::kForward, 4, 2, {86}});
  check_every_shape_in_float32();
}

TEST(without_tf32_products_are_strict) {
  std::mt19937 rng(14);
  Emulating emulating({Order::kForward, 4, 2, {75}});
  Case c = make_case(1, 16, 8, 9, 10, 3, kDiagonal);
  c.randomize(rng);
  check_kernel(cuda_kernel(choices(ZAPONNX_CUDA_PRECISION_TF32)), c, Serial(), "sm_75");
}
#else
// 792 large tiles, whole waves on 132 multiprocessors, and small ones in many slices; the order of the blocks is
// another in every run.
TEST(layers_of_networks_and_their_bits) {
  std::mt19937 rng(16);
  for (Case c : {make_case(1, 4, 450, 450, 64, 3, kCheckerboard), make_case(1, 256, 14, 14, 512, 3, kDiagonal)}) {
    c.has_residual = true;
    c.attributes.threshold = {3.0f};
    c.randomize(rng);
    round_factors(c);
    for (int precision : {0, 1, 2}) {
      const Choices chosen = choices(precision, 24);
      check_kernel(cuda_kernel(chosen), c, Serial(), text("precision ", precision));
      const std::vector<float> first = run_kernel(cuda_kernel(chosen), c, Serial());
      for (int run = 0; run < 5; ++run) {
        CHECK(first == run_kernel(cuda_kernel(chosen), c, Serial()), "precision ", precision);
      }
    }
  }
}
#endif

// Products of float32, exact but for what the cut low parts lack: see the header.
TEST(split_factors_multiply_to_float32) {
  Case c = make_case(1, 1, 1, 64, 8, 1, kCheckerboard);
  std::mt19937 rng(18);
  c.randomize(rng);
  std::fill(c.B.begin(), c.B.end(), 0.0f);
  const std::vector<float> y = run_kernel(cuda_kernel(kStrict), c, Serial());
  for (int m = 0; m < 8; ++m) {
    for (int i = 0; i < 64; i += 2) {
      const double product = double{c.x[i]} * c.W[m];
      CHECK(std::fabs(y[m * 64 + i] - std::max(0.0, product)) <= std::ldexp(std::fabs(product), -20), product);
    }
  }
}

TEST(element_channels_divides_the_work) {
  std::mt19937 rng(8);
  Case c = make_case(1, 8, 12, 12, 80, 3, kCheckerboard);
  c.randomize(rng);
  for (int element_channels : {0, 30, 64}) {
    check_kernel(cuda_kernel(choices(0, element_channels)), c, Serial(), text(element_channels));
    const zaponnx_cuda_work& work = last_work();
    CHECK(work.pattern == 144 && work.outside == 144, work.pattern, " ", work.outside);
    CHECK((work.tiles > 0) == (element_channels < 64) && (work.elements > 0) == (element_channels > 0));
    CHECK(work.tiles + work.elements <= work.outside);
  }
}

TEST(infinite_thresholds_compute_all_or_the_pattern) {
  std::mt19937 rng(9);
  for (float threshold : {-kInfinity, kInfinity}) {
    for (int element_channels : {0, 64}) {
      Case c = make_case(1, 12, 10, 11, 20, 3, kDiagonal);
      c.attributes.threshold = {threshold};
      c.randomize(rng);
      check_kernel(cuda_kernel(choices(0, element_channels)), c, Serial(), text("threshold ", threshold));
      CHECK(last_work().tiles + last_work().elements == (threshold < 0 ? last_work().outside : 0));
    }
  }
}

// V is p2 everywhere, exactly: P1, p1 and P2 are zero.
TEST(what_equals_the_threshold_is_zero_and_a_nan_is_computed) {
  std::mt19937 rng(17);
  constexpr float kThreshold = 0.3f;
  for (int method : {ZAPONNX_CUDA_METHOD_TILES, ZAPONNX_CUDA_METHOD_REFERENCE}) {
    for (int element_channels : {0, 64}) {
      for (float value : {kThreshold, std::nextafter(kThreshold, 1.0f), std::numeric_limits<float>::quiet_NaN()}) {
        Case c = make_case(1, 12, 10, 11, 20, 3, kDiagonal);
        c.attributes.threshold = {kThreshold};
        c.randomize(rng);
        for (auto* zeros : {&c.P1, &c.p1, &c.P2}) std::fill(zeros->begin(), zeros->end(), 0.0f);
        std::fill(c.p2.begin(), c.p2.end(), value);
        std::fill(c.B.begin(), c.B.end(), 100.0f);  // no output is zero by itself
        Choices chosen = choices(0, element_channels);
        chosen.method = method;
        const std::vector<float> y = run_kernel(cuda_kernel(chosen), c, Serial());
        for (size_t i = 0; i < y.size(); ++i) {
          const bool computed = value != kThreshold || c.attributes.pattern.at(i / 11 % 10 % 3, i % 11 % 3);
          CHECK((y[i] != 0) == computed, "V ", value, ", output ", i, ", method ", method);
        }
      }
    }
  }
}

TEST(a_pattern_of_all_or_of_no_pixels) {
  std::mt19937 rng(10);
  for (uint8_t entry : {0, 1}) {
    Case c = make_case(1, 9, 10, 11, 10, 3, Pattern{1, 1, {entry}});
    c.randomize(rng);
    check_kernel(cuda_kernel(kStrict), c, Serial(), text("pattern of ", int{entry}));
  }
}

TEST(nan_and_infinity_reach_what_depends_on_them) {
  std::mt19937 rng(11);
  for (float value : {std::numeric_limits<float>::quiet_NaN(), kInfinity, -kInfinity}) {
    for (int precision : {0, 1, 2}) {
      Case c = make_case(1, 16, 12, 12, 16, 3, kCheckerboard);
      c.randomize(rng);
      round_factors(c);
      c.x[3 * 12 * 12 + 6 * 12 + 7] = value;
      check_kernel(cuda_kernel(choices(precision, 6)), c, Serial(), text("input ", value, " ", precision));
    }
    Case c = make_case(1, 6, 12, 12, 6, 3, kCheckerboard);
    c.randomize(rng);
    c.x[3 * 12 * 12 + 6 * 12 + 7] = value;
    Choices reference = kStrict;
    reference.method = ZAPONNX_CUDA_METHOD_REFERENCE;
    check_kernel(cuda_kernel(reference), c, Serial(), text("reference, input ", value));
  }
}

TEST(huge_dilations_are_left_to_the_reference) {
  std::mt19937 rng(12);
  for (int64_t dilation : {37, 8192, 2147483647}) {
    Case c = make_case(1, 9, 5, 6, 10, 3, kCheckerboard);
    c = strided(c, {1, 1}, {dilation, dilation}, {dilation, dilation, dilation, dilation});
    c.randomize(rng);
    Choices any = kStrict;
    any.method = ZAPONNX_CUDA_METHOD_AUTO;
    check_kernel(cuda_kernel(any), c, Serial(), text("dilation ", dilation));
  }
}

TEST(factors_are_rounded_as_the_precision_says) {
  std::mt19937 rng(13);
  int major = 0;
  CHECK(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0) == cudaSuccess);
  for (int precision : {ZAPONNX_CUDA_PRECISION_TF32, ZAPONNX_CUDA_PRECISION_FLOAT16}) {
    if (precision == ZAPONNX_CUDA_PRECISION_TF32 && major < 8) continue;  // strict there
    Case c = make_case(1, 16, 8, 9, 10, 3, kDiagonal);
    c.attributes.threshold = {kInfinity};  // elements round the weights, but not X, to TF32
    c.randomize(rng);
    const std::vector<float> y = run_kernel(cuda_kernel(choices(precision)), c, Serial());
    for (auto* values : {&c.x, &c.W}) {
      for (float& value : *values) {
        value = precision == ZAPONNX_CUDA_PRECISION_TF32 ? cuda::round_to_tf32(value)
                                                         : cuda::float_of_half(cuda::half_of_float(value));
      }
    }
    CHECK(y == run_kernel(cuda_kernel(choices(precision)), c, Serial()), "precision ", precision);
    check_kernel(cuda_kernel(choices(precision)), c, Serial(), "rounded beforehand");
  }
}

TEST(float16_elements) {
  std::mt19937 rng(15);
  // Small whole numbers, so that all values are exact in float16, and the predictor sees exactly the formula's.
  for (int element_channels : {0, 5, 64}) {
    Case c = make_case(2, 20, 9, 10, 24, 3, kCheckerboard);
    c.has_residual = true;
    c.randomize(rng);
    for (auto* values : {&c.x, &c.W, &c.B, &c.residual}) {
      for (float& value : *values) value = std::round(value);
    }
    Choices half = choices(ZAPONNX_CUDA_PRECISION_FLOAT16, element_channels);
    half.element = ZAPONNX_CUDA_ELEMENT_FLOAT16;
    check_kernel(cuda_kernel(half), c, Serial(), text("element_channels ", element_channels));
    half.method = ZAPONNX_CUDA_METHOD_REFERENCE;
    check_kernel(cuda_kernel(half), c, Serial(), "reference");
  }
}

}  // namespace
}  // namespace zaponnx::testing
