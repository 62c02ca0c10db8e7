// The predictor of a strip of channels over one tile, and the comparison with the threshold.
//
//   S = R where pattern, else 0
//   H = relu(dwconv3x3(S, P1, p1))    zero padding 1
//   V = dwconv3x3(H, P2, p2)          zero padding 1
//   mask = not (V <= threshold)       outside the pattern
//
// The lanes hold channels. V of a tile needs H one pixel and S two pixels around it; both are kept in scratch, so that
// every output is predicted once, and no tile waits for the hidden values of another.
#pragma once

#include "kernels/vector_kernels.h"

namespace zaponnx {

// bias + Σ map · weights over the 3 x 3 vectors from `map` on.
template <typename Isa>
inline typename Isa::Vector depthwise_3x3(const float* map, int64_t row_stride,
                                          const typename Isa::Vector (&weights)[10]) {
  typename Isa::Vector sum = weights[9];
#pragma GCC unroll 3
  for (int row = 0; row < 3; ++row) {
#pragma GCC unroll 3
    for (int column = 0; column < 3; ++column) {
      sum = Isa::fma(Isa::load(map + row * row_stride + column * Isa::kLanes), weights[row * 3 + column], sum);
    }
  }
  return sum;
}

template <typename Isa>
void predict(const PredictArgs& args) {
  using Vector = typename Isa::Vector;
  constexpr int kLanes = Isa::kLanes;
  const int64_t known_columns = args.columns + 4;
  const int64_t hidden_columns = args.columns + 2;
  float* known = args.scratch;
  float* hidden = known + (args.rows + 4) * known_columns * kLanes;

  for (int64_t row = 0; row < args.rows + 4; ++row) {
    const int64_t first_pixel = (args.top + row - 2) * args.width + args.left - 2;
    for (int64_t column = 0; column < known_columns; ++column) {
      const int64_t from = (first_pixel + column) * args.pixel_stride;
      float* to = known + (row * known_columns + column) * kLanes;
      if (!args.in_pattern[row * args.in_pattern_stride + column]) {
        Isa::store(to, Isa::zero());
      } else if (args.channels == kLanes) {
        Isa::store(to, Isa::load(args.y + from));
        __builtin_prefetch(args.y + from + kLanes);  // the next strip: a pixel's channels are far from its neighbour's
      } else {
        Isa::store(to, Isa::zero());
        for (int32_t i = 0; i < args.channels; ++i) to[i] = args.y[from + i];
      }
    }
  }

  Vector first[10];
  Vector second[10];
#pragma GCC unroll 10
  for (int i = 0; i < 10; ++i) first[i] = Isa::load(args.parameters + i * kLanes);
  for (int64_t row = 0; row < args.rows + 2; ++row) {
    const int64_t map_row = args.top + row - 1;
    for (int64_t column = 0; column < hidden_columns; ++column) {
      const int64_t map_column = args.left + column - 1;
      const bool inside = map_row >= 0 && map_row < args.height && map_column >= 0 && map_column < args.width;
      const float* from = known + (row * known_columns + column) * kLanes;
      Isa::store(hidden + (row * hidden_columns + column) * kLanes,
                 inside ? Isa::max(Isa::zero(), depthwise_3x3<Isa>(from, known_columns * kLanes, first)) : Isa::zero());
    }
  }

#pragma GCC unroll 10
  for (int i = 0; i < 10; ++i) second[i] = Isa::load(args.parameters + (10 + i) * kLanes);
  const Vector threshold = Isa::load(args.parameters + 20 * kLanes);
  for (int32_t i = 0; i < args.pixels; ++i) {
    const float* from = hidden + (args.pixel[i].row * hidden_columns + args.pixel[i].column) * kLanes;
    const Vector predicted = depthwise_3x3<Isa>(from, hidden_columns * kLanes, second);
    args.mask[i] = static_cast<uint16_t>(Isa::not_less_equal(predicted, threshold));
  }
}

}  // namespace zaponnx
