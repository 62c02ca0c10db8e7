// Winograd's layers against the formula, for every instruction set of the machine.
#include "kernels/winograd/winograd.h"

#include <cmath>
#include <cstdlib>
#include <functional>
#include <limits>

#include "testing/check.h"
#include "testing/formula.h"
#include "testing/threads.h"

namespace zaponnx::testing {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr int64_t kAny = std::numeric_limits<int64_t>::max();

Case make_case(int64_t batch, int64_t in_channels, int64_t height, int64_t width, int64_t out_channels) {
  Case c;
  c.attributes = {Layout::kNchw, {1, 1}, {1, 1}, {1, 1, 1, 1}, 1, out_channels, {1, 1, {1}}, {-kInfinity}, kInfinity};
  c.w_shape = {out_channels, in_channels, 3, 3};
  c.x_shape = {batch, in_channels, height, width};
  // An output has the rounding of all outputs of its tile, enlarged by the transforms.
  c.rounding = 20;
  return c;
}

bool always() { return true; }

template <const VectorKernels& Vectors, int64_t WeightFloats, int64_t PartTiles>
std::unique_ptr<PreparedLayer> prepare(const LayerAttributes& attributes, const LayerWeights& weights) {
  return prepare_winograd(Vectors, attributes, weights, {WeightFloats, PartTiles, 0});
}

template <const VectorKernels& Vectors>
void add_kernels(std::vector<Kernel>& kernels) {
  kernels.push_back({"4 x 4", always, prepare<Vectors, kAny, 0>});
  kernels.push_back({"4 x 4, a tile per part", always, prepare<Vectors, kAny, 1>});
  kernels.push_back({"4 x 4, large parts", always, prepare<Vectors, kAny, 10'000>});
  kernels.push_back({"2 x 2", always, prepare<Vectors, 0, 0>});
  kernels.push_back({"2 x 2, some tiles per part", always, prepare<Vectors, 0, 11>});
}

// Of each instruction set that this machine has.
std::vector<std::vector<Kernel>> kernels_to_test() {
  std::vector<std::vector<Kernel>> result;
  for (const Kernel& kernel : kernel_list()) {
    if (!kernel.supported() || kernel.name == std::string("scalar")) continue;
    std::vector<Kernel>& kernels = result.emplace_back();
#if defined(__x86_64__)
    if (kernel.name == std::string("avx512")) add_kernels<kAvx512Kernels>(kernels);
    if (kernel.name == std::string("avx2")) add_kernels<kAvx2Kernels>(kernels);
#elif defined(__aarch64__)
    add_kernels<kNeonKernels>(kernels);
#endif
  }
  return result;
}

TEST(every_shape) {
  std::mt19937 rng(1);
  std::vector<Case> cases{
      make_case(1, 16, 14, 14, 16),  make_case(2, 3, 9, 31, 5),  make_case(1, 64, 7, 7, 24),
      make_case(1, 130, 6, 5, 9),    make_case(3, 8, 1, 1, 4),   make_case(1, 1, 2, 3, 1),
      make_case(1, 33, 12, 40, 100), make_case(1, 2, 3, 300, 7),  // more than one segment
      make_case(1, 1, 1, 1000, 3),   make_case(5, 20, 8, 8, 70),
  };
  for (const std::array<int64_t, 4> pads : {std::array<int64_t, 4>{0, 0, 0, 0}, {2, 0, 1, 3}, {5, 26, 0, 1}}) {
    cases.push_back(make_case(2, 10, 11, 13, 12));
    cases.back().attributes.pads = pads;
  }
  for (Case& c : cases) {
    for (int variant = 0; variant < 3; ++variant) {
      c.has_residual = variant > 0;
      c.attributes.bound = variant == 2 ? 6.0f : kInfinity;
      c.randomize(rng);
      for (const auto& kernels : kernels_to_test()) {
        for (const Kernel& kernel : kernels) {
          check_kernel(kernel, c, Serial(), text(shape_text(c.x_shape), " variant ", variant));
        }
      }
    }
  }
}

TEST(random_shapes) {
  std::mt19937 rng(2);
  auto pick = [&](int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(rng); };
  for (int round = 0; round < 12; ++round) {
    Case c = make_case(pick(1, 2), pick(1, 40), pick(3, 24), pick(3, 24), pick(1, 80));
    c.attributes.pads = {pick(0, 2), pick(0, 2), pick(0, 2), pick(0, 2)};
    c.has_residual = pick(0, 1) == 1;
    c.randomize(rng);
    for (const auto& kernels : kernels_to_test()) {
      for (const Kernel& kernel : kernels) check_kernel(kernel, c, Serial(), text("round ", round));
    }
  }
}

TEST(errors_are_small) {
  std::mt19937 rng(4);
  Case c = make_case(1, 128, 12, 12, 24);
  c.randomize(rng);
  const Expected expected = evaluate(c);
  double largest = 0;
  for (double value : expected.value) largest = std::max(largest, value);
  for (const auto& kernels : kernels_to_test()) {
    for (const Kernel& kernel : kernels) {
      const std::vector<float> y = run_kernel(kernel, c, Serial());
      double error = 0;
      for (size_t i = 0; i < y.size(); ++i) error = std::max(error, std::fabs(y[i] - expected.value[i]));
      CHECK(error <= (kernel.name[0] == '4' ? 4e-6 : 1e-6) * largest, kernel.name, ": ", error / largest);
    }
  }
}

// The kernels of one m differ in their parts only.
TEST(parts_threads_and_batch_do_not_change_a_bit) {
  std::mt19937 rng(3);
  // Some blocks of output channels, and as many threads as have too few tiles each to have some of their own.
  Case c = make_case(3, 70, 17, 26, 70);
  c.has_residual = true;
  c.randomize(rng);
  Case last = c;
  last.x_shape[0] = 1;
  last.x.assign(c.x.end() - c.x.size() / 3, c.x.end());
  last.residual.assign(c.residual.end() - c.residual.size() / 3, c.residual.end());
  for (const auto& kernels : kernels_to_test()) {
    for (const Kernel& kernel : kernels) {
      const bool small = kernel.name[0] == '2';
      const std::vector<float> y = run_kernel(small ? kernels[3] : kernels[0], c, Serial());
      for (Layout layout : {Layout::kNchw, Layout::kNhwc}) {
        CHECK(y == run_kernel(kernel, c, Serial(), layout), kernel.name);
        for (size_t threads : {2, 3, 40}) {
          CHECK(y == run_kernel(kernel, c, Threads(threads), layout), kernel.name, ", with ", threads, " threads");
        }
      }
      CHECK(std::vector<float>(y.end() - y.size() / 3, y.end()) == run_kernel(kernel, last, Serial()), kernel.name);
    }
  }
}

TEST(small_maps_have_a_limit_of_their_own) {
  std::mt19937 rng(6);
  Case c = make_case(1, 20, 14, 14, 20);
  c.randomize(rng);
  for (const auto& kernels : kernels_to_test()) {
    const std::vector<float> large = run_kernel(kernels[0], c, Serial());
    const std::vector<float> small = run_kernel(kernels[3], c, Serial());
    CHECK(large != small);
    for (int64_t pixels : {0, 14 * 14, 14 * 14 + 1}) {
      Case known = c;
      known.attributes.map_pixels = pixels;
      CHECK(run_kernel(kernels[0], known, Serial()) == (pixels == 14 * 14 ? small : large), text(pixels, " pixels"));
    }
  }
}

// A NaN reaches the outputs that read it, and neither it nor infinity changes a tile that does not.
TEST(nan_and_infinity_stay_near) {
  std::mt19937 rng(5);
  for (float value : {std::numeric_limits<float>::quiet_NaN(), kInfinity}) {
    Case c = make_case(1, 8, 24, 24, 8);
    c.randomize(rng);
    Case poisoned = c;
    poisoned.x[3 * 24 * 24 + 10 * 24 + 13] = value;
    for (const auto& kernels : kernels_to_test()) {
      for (const Kernel& kernel : kernels) {
        const std::vector<float> y = run_kernel(kernel, c, Serial());
        const std::vector<float> z = run_kernel(kernel, poisoned, Serial());
        for (int64_t i = 0; i < static_cast<int64_t>(y.size()); ++i) {
          const int64_t row = std::abs(i / 24 % 24 - 10);
          const int64_t column = std::abs(i % 24 - 13);
          if (std::isnan(value) && row <= 1 && column <= 1) CHECK(std::isnan(z[i]), kernel.name, ", output ", i);
          if (row > 5 || column > 5) CHECK(z[i] == y[i], kernel.name, ", output ", i);
        }
      }
    }
  }
}

TEST(it_suits_three_by_three_of_stride_one_with_all_outputs) {
  const Case right = make_case(1, 4, 8, 8, 4);
  CHECK(suits_winograd(right.attributes, right.weights()));
  const std::vector<std::function<void(Case&)>> changes{
      [](Case& c) { c.attributes.pattern = {2, 2, {1, 1, 0, 1}}; },
      [](Case& c) { c.attributes.strides = {1, 2}; },
      [](Case& c) { c.attributes.dilations = {2, 1}; },
      [](Case& c) { c.attributes.group = 2; },
      [](Case& c) { c.w_shape[1] = 1; },
      [](Case& c) { c.w_shape[2] = 1; },
      [](Case& c) { c.w_shape[3] = 5; },
  };
  for (size_t i = 0; i < changes.size(); ++i) {
    Case wrong = right;
    changes[i](wrong);
    CHECK(!suits_winograd(wrong.attributes, wrong.weights()), "change ", i);
  }
}

}  // namespace
}  // namespace zaponnx::testing
