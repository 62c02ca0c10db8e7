// ZapConv's formula in double precision, with the bounds that a float32 kernel's rounding must keep.
#pragma once

#include <random>
#include <vector>

#include "kernels/kernel.h"

namespace zaponnx::testing {

// A random layer with its input; owns what LayerWeights points at.
struct Case {
  LayerAttributes attributes;
  std::array<int64_t, 4> w_shape;
  std::vector<int64_t> x_shape;
  std::vector<float> W, B, P1, p1, P2, p2, x, residual;
  bool has_residual = false;
  double rounding = 1;  // errors that a kernel may make, in those of a sum of products

  LayerWeights weights() const { return {w_shape, W.data(), B.data(), P1.data(), p1.data(), P2.data(), p2.data()}; }
  Geometry geometry() const { return make_geometry(attributes, w_shape, x_shape); }
  // Fills weights and activations with normal values; sizes follow from the attributes and shapes.
  void randomize(std::mt19937& rng);
};

// Each output's exact value if it is computed, how far float32 may be from it, and whether it must be computed.
struct Expected {
  enum Compute { kNo, kYes, kEither };  // kEither: the prediction is within rounding of the threshold
  std::vector<double> value, tolerance;
  std::vector<Compute> compute;
};

Expected evaluate(const Case& c);

// Runs a kernel over the case, in both layouts, and checks all outputs.
void check_kernel(const Kernel& kernel, const Case& c, const Parallel& parallel, const std::string& what);

// The kernel's outputs for the case in NCHW, whatever the layout that the layer works in.
std::vector<float> run_kernel(const Kernel& kernel, const Case& c, const Parallel& parallel,
                              Layout layout = Layout::kNchw);

}  // namespace zaponnx::testing
