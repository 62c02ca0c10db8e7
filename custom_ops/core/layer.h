// What a ZapConv node is, apart from its activations: attributes, weights, and the checks on both.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace zaponnx {

// The tile of 0/1 that marks the outputs which are always computed, repeated from the top-left corner.
struct Pattern {
  int64_t rows = 0;
  int64_t columns = 0;
  std::vector<uint8_t> tile;  // row-major, rows * columns

  bool at(int64_t row, int64_t column) const { return tile[(row % rows) * columns + column % columns] != 0; }
};

// Of X, Z and Y.
enum class Layout { kNchw, kNhwc };

// Between neighbours in an activation of so many channels and pixels; images are contiguous.
struct ImageStrides {
  int64_t channel, pixel;

  ImageStrides(Layout layout, int64_t channels, int64_t pixels)
      : channel(layout == Layout::kNchw ? pixels : 1), pixel(layout == Layout::kNchw ? 1 : channels) {}
};

struct LayerAttributes {
  Layout layout = Layout::kNchw;
  std::array<int64_t, 2> strides;
  std::array<int64_t, 2> dilations;
  std::array<int64_t, 4> pads;  // top, left, bottom, right
  int64_t group = 1;
  int64_t channels = 0;  // M
  Pattern pattern;
  std::vector<float> threshold;  // one, or one per output channel
  float bound = 0.0f;            // upper bound of the activation
  int64_t map_pixels = 0;        // X's height x width, to choose by; 0 if not known before a call
};

// The weights as the node has them; nothing is owned.
struct LayerWeights {
  std::array<int64_t, 4> shape;  // of W: M, C/group, kH, kW
  const float* W;
  const float* B;   // M
  const float* P1;  // M x 1 x 3 x 3
  const float* p1;  // M
  const float* P2;  // M x 1 x 3 x 3
  const float* p2;  // M
};

// Extents of one call, derived from the layer and the shape of X.
struct Geometry {
  int64_t batch, in_channels, in_height, in_width;
  int64_t out_channels, out_height, out_width;
  int64_t kernel_height, kernel_width;
  int64_t group_in_channels, group_out_channels;
};

// Each throws std::invalid_argument with a sentence that names the attribute or input, what it is and what it must be.
void check_attributes(const LayerAttributes& attributes);
void check_weight_shape(const LayerAttributes& attributes, const std::vector<int64_t>& w_shape);
void check_shape(const char* input, const std::vector<int64_t>& actual, const std::vector<int64_t>& expected);
// x_shape is in the layer's layout.
Geometry make_geometry(const LayerAttributes& attributes, const std::array<int64_t, 4>& w_shape,
                       const std::vector<int64_t>& x_shape);
// Of Y and Z.
std::vector<int64_t> output_shape(const LayerAttributes& attributes, const Geometry& g);

std::string shape_text(const std::vector<int64_t>& shape);

}  // namespace zaponnx
