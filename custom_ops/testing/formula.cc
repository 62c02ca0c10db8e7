#include "testing/formula.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "testing/check.h"

namespace zaponnx::testing {
namespace {

// A value and a bound on the error that float32 arithmetic may make: rounding of each of the `terms` products and sums,
// and the errors of the inputs.
struct Bounded {
  double value;
  double error;
};

constexpr double kEpsilon = std::numeric_limits<float>::epsilon();

// What a sum may be off by; beside an infinite term nothing rounds: it is that infinity, or not a number.
double rounding(double magnitude) { return std::isfinite(magnitude) ? kEpsilon * magnitude : 0; }

// bias + Σ w · x over the taps of a 3 x 3 window with zero padding 1.
Bounded depthwise(const std::vector<Bounded>& map, int64_t height, int64_t width, int64_t i, int64_t j,
                  const float* weights, float bias) {
  double sum = bias;
  double magnitude = std::fabs(bias);
  double error = 0;
  for (int64_t di = -1; di <= 1; ++di) {
    for (int64_t dj = -1; dj <= 1; ++dj) {
      if (i + di < 0 || i + di >= height || j + dj < 0 || j + dj >= width) continue;
      const Bounded& x = map[(i + di) * width + j + dj];
      const double w = weights[(di + 1) * 3 + dj + 1];
      sum += w * x.value;
      magnitude += std::fabs(w * x.value);
      error += std::fabs(w) * x.error;
    }
  }
  return {sum, error + rounding(10 * magnitude)};
}

// [image][row][column] as [image][column][row].
std::vector<float> swap_axes(const std::vector<float>& from, int64_t images, int64_t rows, int64_t columns) {
  std::vector<float> to(from.size());
  for (int64_t n = 0; n < images; ++n) {
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < columns; ++j) to[(n * columns + j) * rows + i] = from[(n * rows + i) * columns + j];
    }
  }
  return to;
}

double relu(double v) { return v < 0 ? 0 : v; }

}  // namespace

void Case::randomize(std::mt19937& rng) {
  std::normal_distribution<float> normal;
  const Geometry g = geometry();
  auto fill = [&](std::vector<float>& values, int64_t count) {
    values.resize(count);
    for (float& v : values) v = normal(rng);
  };
  fill(W, w_shape[0] * w_shape[1] * w_shape[2] * w_shape[3]);
  fill(B, w_shape[0]);
  fill(P1, w_shape[0] * 9);
  fill(p1, w_shape[0]);
  fill(P2, w_shape[0] * 9);
  fill(p2, w_shape[0]);
  fill(x, g.batch * g.in_channels * g.in_height * g.in_width);
  if (has_residual) fill(residual, g.batch * g.out_channels * g.out_height * g.out_width);
}

Expected evaluate(const Case& c) {
  const Geometry g = c.geometry();
  const LayerAttributes& a = c.attributes;
  const int64_t outputs = g.out_height * g.out_width;
  Expected expected;
  for (int64_t n = 0; n < g.batch; ++n) {
    for (int64_t m = 0; m < g.out_channels; ++m) {
      std::vector<Bounded> r(outputs);
      for (int64_t i = 0; i < g.out_height; ++i) {
        for (int64_t j = 0; j < g.out_width; ++j) {
          double sum = c.B[m];
          double magnitude = std::fabs(sum);
          int64_t terms = 2;
          for (int64_t ch = 0; ch < g.group_in_channels; ++ch) {
            const int64_t channel = m / g.group_out_channels * g.group_in_channels + ch;
            for (int64_t ki = 0; ki < g.kernel_height; ++ki) {
              for (int64_t kj = 0; kj < g.kernel_width; ++kj) {
                const int64_t row = i * a.strides[0] - a.pads[0] + ki * a.dilations[0];
                const int64_t column = j * a.strides[1] - a.pads[1] + kj * a.dilations[1];
                if (row < 0 || row >= g.in_height || column < 0 || column >= g.in_width) continue;
                const double product =
                    double{c.x[((n * g.in_channels + channel) * g.in_height + row) * g.in_width + column]} *
                    c.W[((m * g.group_in_channels + ch) * g.kernel_height + ki) * g.kernel_width + kj];
                sum += product;
                magnitude += std::fabs(product);
                ++terms;
              }
            }
          }
          if (c.has_residual) {
            const double z = c.residual[((n * g.out_channels + m) * g.out_height + i) * g.out_width + j];
            sum += z;
            magnitude += std::fabs(z);
          }
          const double value = relu(sum);
          // The worst case of any order of summation; sums of random terms stay far below it.
          r[i * g.out_width + j] = {value > a.bound ? a.bound : value, rounding(c.rounding * terms * magnitude)};
        }
      }
      std::vector<Bounded> known(outputs, {0, 0});
      std::vector<Bounded> hidden(outputs);
      for (int64_t i = 0; i < outputs; ++i) {
        if (a.pattern.at(i / g.out_width, i % g.out_width)) known[i] = r[i];
      }
      for (int64_t i = 0; i < outputs; ++i) {
        const Bounded h =
            depthwise(known, g.out_height, g.out_width, i / g.out_width, i % g.out_width, &c.P1[m * 9], c.p1[m]);
        hidden[i] = {relu(h.value), h.error};
      }
      const double threshold = a.threshold[a.threshold.size() == 1 ? 0 : m];
      for (int64_t i = 0; i < outputs; ++i) {
        const Bounded v =
            depthwise(hidden, g.out_height, g.out_width, i / g.out_width, i % g.out_width, &c.P2[m * 9], c.p2[m]);
        Expected::Compute compute = v.value <= threshold ? Expected::kNo : Expected::kYes;
        if (std::fabs(v.value - threshold) <= v.error) compute = Expected::kEither;
        if (a.pattern.at(i / g.out_width, i % g.out_width)) compute = Expected::kYes;
        expected.value.push_back(r[i].value);
        expected.tolerance.push_back(r[i].error);
        expected.compute.push_back(compute);
      }
    }
  }
  return expected;
}

std::vector<float> run_kernel(const Kernel& kernel, const Case& c, const Parallel& parallel, Layout layout) {
  const Geometry g = c.geometry();
  const int64_t in_pixels = g.in_height * g.in_width;
  const int64_t out_pixels = g.out_height * g.out_width;
  const bool nchw = layout == Layout::kNchw;
  const std::vector<float> x = nchw ? c.x : swap_axes(c.x, g.batch, g.in_channels, in_pixels);
  const std::vector<float> z =
      nchw || !c.has_residual ? c.residual : swap_axes(c.residual, g.batch, g.out_channels, out_pixels);
  // A value that no kernel would write, to see that every output is written.
  std::vector<float> y(g.batch * g.out_channels * out_pixels, -12345.0f);
  LayerAttributes attributes = c.attributes;
  attributes.layout = layout;
  Heap heap;
  kernel.prepare(attributes, c.weights())
      ->run(g, {x.data(), c.has_residual ? z.data() : nullptr, y.data()}, parallel, heap);
  return nchw ? y : swap_axes(y, g.batch, out_pixels, g.out_channels);
}

void check_kernel(const Kernel& kernel, const Case& c, const Parallel& parallel, const std::string& what) {
  const Expected expected = evaluate(c);
  const std::vector<float> y = run_kernel(kernel, c, parallel);
  for (size_t i = 0; i < y.size(); ++i) {
    const double v = expected.value[i];
    // A difference that is not a number (a NaN, or the same infinity twice) is settled by the values themselves.
    const bool same = std::fabs(y[i] - v) <= expected.tolerance[i] || (std::isnan(v) && std::isnan(y[i])) ||
                      (std::isinf(v) && y[i] == v);
    const bool right = expected.compute[i] == Expected::kYes  ? same
                       : expected.compute[i] == Expected::kNo ? y[i] == 0.0f
                                                              : same || y[i] == 0.0f;
    CHECK(right, kernel.name, " ", what, ", output ", i, ": ", y[i], ", expected ", v, " +- ", expected.tolerance[i],
          expected.compute[i] == Expected::kNo ? " skipped" : "");
  }
  const std::vector<float> nhwc = run_kernel(kernel, c, parallel, Layout::kNhwc);
  CHECK(std::memcmp(y.data(), nhwc.data(), y.size() * sizeof(float)) == 0, kernel.name, " ", what, ", NHWC");
}

}  // namespace zaponnx::testing
