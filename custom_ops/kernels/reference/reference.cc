#include "kernels/reference/reference.h"

#include "kernels/activate/clipped.h"

namespace zaponnx {
namespace {

class Reference final : public PreparedLayer {
 public:
  Reference(const LayerAttributes& attributes, const LayerWeights& w)
      : attributes_(attributes),
        w_(w.W, w.W + w.shape[0] * w.shape[1] * w.shape[2] * w.shape[3]),
        b_(w.B, w.B + w.shape[0]),
        first_weights_(w.P1, w.P1 + w.shape[0] * 9),
        first_bias_(w.p1, w.p1 + w.shape[0]),
        second_weights_(w.P2, w.P2 + w.shape[0] * 9),
        second_bias_(w.p2, w.p2 + w.shape[0]) {}

  void run(const Geometry& g, const Activations& a, const Parallel& parallel, Memory&) const override {
    parallel(g.batch * g.out_channels,
             [&](size_t task) { run_channel(g, a, task / g.out_channels, task % g.out_channels); });
  }

 private:
  // One channel of one image: its pattern, then its predictor, then what the predictor asks for.
  void run_channel(const Geometry& g, const Activations& a, int64_t n, int64_t m) const {
    const Pattern& pattern = attributes_.pattern;
    const int64_t height = g.out_height;
    const int64_t width = g.out_width;
    const ImageStrides strides(attributes_.layout, g.out_channels, height * width);
    float* y = a.y + n * g.out_channels * height * width + m * strides.channel;
    std::vector<float> known(height * width);
    std::vector<float> hidden(height * width);
    for (int64_t i = 0; i < height; ++i) {
      for (int64_t j = 0; j < width; ++j) known[i * width + j] = pattern.at(i, j) ? output(g, a, n, m, i, j) : 0.0f;
    }
    for (int64_t i = 0; i < height; ++i) {
      for (int64_t j = 0; j < width; ++j) {
        const float h = depthwise(known.data(), &first_weights_[m * 9], first_bias_[m], height, width, i, j);
        hidden[i * width + j] = h < 0.0f ? 0.0f : h;
      }
    }
    const float threshold = attributes_.threshold[attributes_.threshold.size() == 1 ? 0 : m];
    for (int64_t i = 0; i < height; ++i) {
      for (int64_t j = 0; j < width; ++j) {
        float& out = y[(i * width + j) * strides.pixel];
        out = known[i * width + j];
        if (pattern.at(i, j)) continue;
        const float v = depthwise(hidden.data(), &second_weights_[m * 9], second_bias_[m], height, width, i, j);
        if (!(v <= threshold)) out = output(g, a, n, m, i, j);
      }
    }
  }

  static float depthwise(const float* map, const float* weights, float sum, int64_t height, int64_t width, int64_t i,
                         int64_t j) {
    for (int64_t di = -1; di <= 1; ++di) {
      for (int64_t dj = -1; dj <= 1; ++dj) {
        const int64_t row = i + di;
        const int64_t column = j + dj;
        if (row < 0 || row >= height || column < 0 || column >= width) continue;
        sum += map[row * width + column] * weights[(di + 1) * 3 + dj + 1];
      }
    }
    return sum;
  }

  float output(const Geometry& g, const Activations& a, int64_t n, int64_t m, int64_t i, int64_t j) const {
    const ImageStrides in(attributes_.layout, g.in_channels, g.in_height * g.in_width);
    const ImageStrides out(attributes_.layout, g.out_channels, g.out_height * g.out_width);
    const int64_t first_channel = m / g.group_out_channels * g.group_in_channels;
    float sum = b_[m];
    for (int64_t c = 0; c < g.group_in_channels; ++c) {
      const float* x = a.x + n * g.in_channels * g.in_height * g.in_width + (first_channel + c) * in.channel;
      const float* w = &w_[(m * g.group_in_channels + c) * g.kernel_height * g.kernel_width];
      for (int64_t ki = 0; ki < g.kernel_height; ++ki) {
        const int64_t row = i * attributes_.strides[0] - attributes_.pads[0] + ki * attributes_.dilations[0];
        if (row < 0 || row >= g.in_height) continue;
        for (int64_t kj = 0; kj < g.kernel_width; ++kj) {
          const int64_t column = j * attributes_.strides[1] - attributes_.pads[1] + kj * attributes_.dilations[1];
          if (column < 0 || column >= g.in_width) continue;
          sum += x[(row * g.in_width + column) * in.pixel] * w[ki * g.kernel_width + kj];
        }
      }
    }
    if (a.residual != nullptr) {
      sum += a.residual[n * g.out_channels * g.out_height * g.out_width + m * out.channel +
                        (i * g.out_width + j) * out.pixel];
    }
    return clipped(sum, attributes_.bound);
  }

  LayerAttributes attributes_;
  std::vector<float> w_, b_, first_weights_, first_bias_, second_weights_, second_bias_;
};

}  // namespace

std::unique_ptr<PreparedLayer> prepare_reference(const LayerAttributes& attributes, const LayerWeights& weights) {
  return std::make_unique<Reference>(attributes, weights);
}

}  // namespace zaponnx
