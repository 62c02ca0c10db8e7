// Every kernel of the list against the formula, over the shapes that a Conv can have.
#include <cmath>
#include <cstdlib>
#include <functional>
#include <limits>
#include <thread>

#include "kernels/two_path/two_path.h"
#include "testing/check.h"
#include "testing/formula.h"
#include "testing/threads.h"

namespace zaponnx::testing {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

const Pattern kCheckerboard{2, 2, {1, 0, 0, 1}};
const Pattern kDiagonal{3, 3, {0, 0, 1, 0, 1, 0, 1, 0, 0}};
const Pattern kSparse{5, 5, {0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 0, 0, 1, 0, 0, 1, 1, 0, 0, 1, 0}};
const Pattern kRow{1, 4, {0, 1, 1, 0}};
const Pattern kRare{7, 3, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};

Case make_case(int64_t batch, int64_t in_channels, int64_t height, int64_t width, int64_t out_channels, int64_t kernel,
               const Pattern& pattern) {
  Case c;
  c.attributes = {Layout::kNchw, {1, 1}, {1, 1},   {kernel / 2, kernel / 2, kernel / 2, kernel / 2}, 1, out_channels,
                  pattern,       {0.5f}, kInfinity};
  c.w_shape = {out_channels, in_channels, kernel, kernel};
  c.x_shape = {batch, in_channels, height, width};
  return c;
}

template <typename Body>
void for_each_kernel(const Body& body) {
  for (const Kernel& kernel : kernel_list()) {
    if (kernel.supported()) {
      body(kernel);
    } else {
      std::printf("not run: %s, which this processor does not support\n", kernel.name);
    }
  }
}

TEST(every_shape) {
  std::mt19937 rng(1);
  std::vector<Case> cases{
      make_case(1, 16, 14, 14, 16, 3, kCheckerboard), make_case(2, 3, 9, 31, 5, 3, kDiagonal),
      make_case(1, 64, 7, 7, 24, 3, kSparse),         make_case(1, 130, 6, 5, 9, 3, kCheckerboard),
      make_case(3, 8, 1, 1, 4, 1, kCheckerboard),     make_case(1, 5, 17, 18, 33, 5, kRow),
      make_case(1, 4, 12, 40, 3, 1, kRare),           make_case(1, 1, 11, 3, 1, 3, kDiagonal),
      make_case(1, 20, 10, 10, 18, 2, kSparse),       make_case(1, 6, 30, 33, 7, 7, kDiagonal),
      make_case(1, 400, 17, 5, 80, 3, kCheckerboard),  // weights beyond L2's size
  };
  Case strided = make_case(2, 12, 21, 19, 10, 3, kCheckerboard);
  strided.attributes.strides = {2, 2};
  cases.push_back(strided);
  strided.attributes.strides = {1, 3};
  strided.attributes.pads = {0, 2, 1, 0};
  cases.push_back(strided);
  Case dilated = make_case(1, 10, 20, 23, 12, 3, kDiagonal);
  dilated.attributes.dilations = {2, 3};
  dilated.attributes.pads = {2, 3, 2, 3};
  cases.push_back(dilated);
  Case huge_stride = make_case(1, 3, 64, 64, 4, 11, kCheckerboard);
  huge_stride.attributes.strides = {17, 20};
  cases.push_back(huge_stride);
  Case grouped = make_case(2, 12, 13, 13, 18, 3, kCheckerboard);
  grouped.attributes.group = 3;
  grouped.w_shape[1] = 4;
  cases.push_back(grouped);
  Case depthwise = make_case(1, 7, 15, 15, 7, 3, kDiagonal);
  depthwise.attributes.group = 7;
  depthwise.w_shape[1] = 1;
  cases.push_back(depthwise);
  for (size_t i = 0; i < cases.size(); ++i) {
    for (int variant = 0; variant < 4; ++variant) {
      Case& c = cases[i];
      c.has_residual = variant % 2 == 1;
      c.attributes.bound = variant == 2 ? 6.0f : kInfinity;
      c.attributes.threshold.assign(variant == 3 ? c.w_shape[0] : 1, 0.5f);
      for (size_t m = 0; m < c.attributes.threshold.size(); ++m) c.attributes.threshold[m] += 0.25f * (m % 5);
      c.randomize(rng);
      for_each_kernel(
          [&](const Kernel& kernel) { check_kernel(kernel, c, Serial(), text("case ", i, " variant ", variant)); });
    }
  }
}

TEST(as_many_pixels_as_a_tile_may_have) {
  std::mt19937 rng(10);
  Case c = make_case(1, 600, 16, 16, 450, 1, kRare);
  c.randomize(rng);
  for_each_kernel([&](const Kernel& kernel) { check_kernel(kernel, c, Serial(), "256 pixels"); });
}

TEST(random_shapes) {
  std::mt19937 rng(2);
  auto pick = [&](int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(rng); };
  for (int round = 0; round < 60; ++round) {
    Case c;
    const int64_t group = pick(0, 3) == 0 ? pick(2, 3) : 1;
    const int64_t out_channels = group * pick(1, 20);
    Pattern pattern{pick(1, 4), pick(1, 4), {}};
    for (int64_t i = 0; i < pattern.rows * pattern.columns; ++i) pattern.tile.push_back(pick(0, 1));
    c.attributes = {Layout::kNchw,
                    {pick(1, 3), pick(1, 3)},
                    {pick(1, 2), pick(1, 2)},
                    {pick(0, 2), pick(0, 2), pick(0, 2), pick(0, 2)},
                    group,
                    out_channels,
                    pattern,
                    {static_cast<float>(pick(-3, 3))},
                    pick(0, 2) == 0 ? 2.0f : kInfinity};
    c.w_shape = {out_channels, pick(1, 40), pick(1, 4), pick(1, 4)};
    c.x_shape = {pick(1, 2), c.w_shape[1] * group, pick(8, 30), pick(8, 30)};
    c.has_residual = pick(0, 1) == 1;
    c.randomize(rng);
    for_each_kernel([&](const Kernel& kernel) { check_kernel(kernel, c, Serial(), text("round ", round)); });
  }
}

TEST(infinite_thresholds_compute_all_or_the_pattern) {
  std::mt19937 rng(3);
  for (float threshold : {-kInfinity, kInfinity}) {
    Case c = make_case(1, 24, 15, 17, 20, 3, kDiagonal);
    c.attributes.threshold = {threshold};
    c.randomize(rng);
    for_each_kernel([&](const Kernel& kernel) { check_kernel(kernel, c, Serial(), text("threshold ", threshold)); });
  }
}

TEST(a_pattern_of_all_or_of_no_pixels) {
  std::mt19937 rng(4);
  for (uint8_t entry : {0, 1}) {
    Case c = make_case(1, 9, 10, 11, 6, 3, Pattern{1, 1, {entry}});
    c.randomize(rng);
    for_each_kernel([&](const Kernel& kernel) { check_kernel(kernel, c, Serial(), text("pattern of ", int{entry})); });
  }
}

TEST(huge_dilations_cost_nothing) {
  std::mt19937 rng(8);
  for (int64_t dilation : {37, 8192, 2147483647}) {
    Case c = make_case(1, 17, 5, 6, 6, 3, kCheckerboard);
    c.attributes.dilations = {dilation, dilation};
    c.attributes.pads = {dilation, dilation, dilation, dilation};
    c.randomize(rng);
    for_each_kernel([&](const Kernel& kernel) { check_kernel(kernel, c, Serial(), text("dilation ", dilation)); });
  }
}

TEST(nan_and_infinity_reach_what_depends_on_them) {
  std::mt19937 rng(5);
  for (float value : {std::numeric_limits<float>::quiet_NaN(), kInfinity, -kInfinity}) {
    Case c = make_case(1, 16, 14, 14, 16, 3, kCheckerboard);
    c.randomize(rng);
    c.x[3 * 14 * 14 + 6 * 14 + 7] = value;
    for_each_kernel([&](const Kernel& kernel) { check_kernel(kernel, c, Serial(), text("input ", value)); });
  }
}

TEST(threads_and_batch_do_not_change_a_bit) {
  std::mt19937 rng(6);
  Case c = make_case(3, 70, 20, 20, 40, 3, kCheckerboard);
  c.has_residual = true;
  c.randomize(rng);
  for_each_kernel([&](const Kernel& kernel) {
    const std::vector<float> y = run_kernel(kernel, c, Serial());
    for (Layout layout : {Layout::kNchw, Layout::kNhwc}) {
      CHECK(y == run_kernel(kernel, c, Threads(), layout), kernel.name);
    }
    Case last = c;
    last.x_shape[0] = 1;
    last.x.assign(c.x.end() - c.x.size() / 3, c.x.end());
    last.residual.assign(c.residual.end() - c.residual.size() / 3, c.residual.end());
    CHECK(std::vector<float>(y.end() - y.size() / 3, y.end()) == run_kernel(kernel, last, Serial()), kernel.name);
  });
}

#if defined(__x86_64__) || defined(__aarch64__)
#if defined(__x86_64__)
constexpr const VectorKernels& kVectors = kAvx2Kernels;
#else
constexpr const VectorKernels& kVectors = kNeonKernels;
#endif

// The two-path layer in waves of so many floats.
template <int64_t kFloats>
const Kernel kWaves{"two-path", [] { return true; },
                    [](const LayerAttributes& attributes, const LayerWeights& weights) {
                      return prepare_two_path(kVectors, attributes, weights, kFloats);
                    }};

TEST(waves_do_not_change_a_bit) {
#if defined(__x86_64__)
  if (!kernel_list()[1].supported()) return;
#endif
  std::mt19937 rng(9);
  // Tiles of 10 x 10 outputs in two chunks of channels: two rows of two tiles for each image.
  Case square = make_case(5, 70, 20, 20, 40, 3, kCheckerboard);
  square.has_residual = true;
  // Tiles of one row of outputs, which lies within what a prediction looks at, in groups.
  Case low = make_case(4, 12, 120, 20, 18, 3, kDiagonal);
  low.attributes.strides = {17, 1};
  low.attributes.group = 3;
  low.w_shape[1] = 4;
  for (Case& c : {std::ref(square), std::ref(low)}) {
    c.randomize(rng);
    const std::vector<float> y = run_kernel(kWaves<kWaveFloats>, c, Serial());
    // The fewest rows of tiles that a wave may have, an image of `square` and a little more, all of it.
    for (const Kernel& kernel : {kWaves<1>, kWaves<90'000>, kWaves<10'000'000>}) {
      for (Layout layout : {Layout::kNchw, Layout::kNhwc}) {
        CHECK(y == run_kernel(kernel, c, Serial(), layout));
        CHECK(y == run_kernel(kernel, c, Threads(), layout), "with threads");
      }
    }
  }
}
#endif

TEST(one_layer_serves_many_threads_and_shapes) {
  std::mt19937 rng(7);
  Case c = make_case(1, 33, 18, 18, 21, 3, kDiagonal);
  c.randomize(rng);
  for_each_kernel([&](const Kernel& kernel) {
    const std::vector<float> y = run_kernel(kernel, c, Serial());
    const auto layer = kernel.prepare(c.attributes, c.weights());
    std::vector<int> equal(4, 0);
    std::vector<std::thread> threads;
    for (size_t t = 0; t < equal.size(); ++t) {
      threads.emplace_back([&, t] {
        Heap heap;
        for (int repeat = 0; repeat < 10; ++repeat) {
          std::vector<float> mine(y.size());
          layer->run(c.geometry(), {c.x.data(), nullptr, mine.data()}, Serial(), heap);
          equal[t] += mine == y;
          // Another shape in between: buffers kept by a thread must not leak into results.
          Case small = c;
          small.x_shape = {1, 33, 9, 11};
          std::vector<float> other(21 * 9 * 11);
          layer->run(small.geometry(), {c.x.data(), nullptr, other.data()}, Serial(), heap);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (int count : equal) CHECK(count == 10, kernel.name);
  });
}

TEST(the_environment_chooses) {
  setenv("ZAPONNX_ISA", "scalar", 1);
  CHECK(std::string(select_kernel().name) == "scalar");
  setenv("ZAPONNX_ISA", "sse9", 1);
  const std::string error = error_of([] { select_kernel(); });
  CHECK(error.find("'sse9'") != std::string::npos && error.find("scalar") != std::string::npos, error);
  unsetenv("ZAPONNX_ISA");
  CHECK(select_kernel().supported());
  CHECK(std::string(kernel_list().back().name) == "scalar");
}

}  // namespace
}  // namespace zaponnx::testing
