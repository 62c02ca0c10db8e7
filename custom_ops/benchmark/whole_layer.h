// One call of a layer, everything included.
#pragma once

#include <algorithm>
#include <memory>

#include "benchmark/path_loops.h"
#include "kernels/kernel.h"

namespace zaponnx {

class WholeLayer {
 public:
  // Searches the threshold at which this share of the outputs outside the pattern is computed, up to some percent; 1
  // makes a layer whose pattern has all outputs.
  WholeLayer(const Layer& layer, const Kernel& kernel, Layout layout, double density)
      : geometry_(layer.geometry),
        x_(random_floats(layer.geometry.in_channels * layer.geometry.in_height * layer.geometry.in_width, 3)),
        y_(layer.geometry.out_channels * layer.geometry.out_height * layer.geometry.out_width) {
    LayerAttributes attributes = layer.attributes;
    attributes.layout = layout;
    // So large that the ReLU cuts nothing and every zero is a skipped output.
    const std::vector<float> bias(layer.geometry.out_channels, 1e4f);
    LayerWeights weights = layer.weights;
    weights.B = bias.data();
    if (density == 1) {
      attributes.pattern = {1, 1, {1}};
      prepared_ = kernel.prepare(attributes, weights);
      computed_ = static_cast<double>((y_.size() - layer.known_pixels() * layer.geometry.out_channels));
      return;
    }
    float low = -1e6f;
    float high = 1e6f;
    for (int step = 0; step < 24; ++step) {
      attributes.threshold = {(low + high) / 2};
      prepared_ = kernel.prepare(attributes, weights);
      run(Serial());
      const double computed = static_cast<double>(y_.size() - std::count(y_.begin(), y_.end(), 0.0f));
      const double known = static_cast<double>(layer.known_pixels() * layer.geometry.out_channels);
      computed_ = computed - known;
      const double found = computed_ / (static_cast<double>(y_.size()) - known);
      if (std::abs(found - density) < 0.01) break;
      (found > density ? low : high) = attributes.threshold[0];
    }
  }

  void run(const Parallel& parallel) const {
    Heap heap;
    prepared_->run(geometry_, {x_.data(), nullptr, const_cast<float*>(y_.data())}, parallel, heap);
  }
  double computed_outside_pattern() const { return computed_; }

 private:
  Geometry geometry_;
  std::vector<float> x_, y_;
  std::unique_ptr<PreparedLayer> prepared_;
  double computed_ = 0;
};

}  // namespace zaponnx
