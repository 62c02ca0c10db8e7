// The loops of a Winograd layer. Vectors hold channels: input channels in the first, output channels in the others.
#pragma once

#include <utility>

#include "kernels/vector_kernels.h"
#include "kernels/winograd/transforms.h"

namespace zaponnx {

template <typename Isa, int Outputs>
void winograd_inputs(const WinogradInputsArgs& args) {
  constexpr int kSize = Outputs + 2;
  using V = typename Isa::Vector;
  for (int64_t tile = 0; tile < args.tiles; ++tile) {
    for (int64_t c = 0; c < args.channels; c += Isa::kLanes) {
      const float* from = args.patch + tile * Outputs * args.channels + c;
      float* to = args.to + tile * args.tile_stride + c;
      V d[kSize * kSize];
#pragma GCC unroll 6
      for (int column = 0; column < kSize; ++column) {
#pragma GCC unroll 6
        for (int row = 0; row < kSize; ++row) {
          d[row * kSize + column] = Isa::load(from + row * args.row_stride + column * args.channels);
        }
        transform_inputs<Isa, Outputs, kSize>(d + column);
      }
#pragma GCC unroll 6
      for (int row = 0; row < kSize; ++row) {
        transform_inputs<Isa, Outputs, 1>(d + row * kSize);
#pragma GCC unroll 6
        for (int column = 0; column < kSize; ++column) {
          Isa::store(to + (row * kSize + column) * args.product_stride, d[row * kSize + column]);
        }
      }
    }
  }
}

template <typename Isa, int Rows, int Vectors>
void product_block(const WinogradProductsArgs& args, const float* inputs, float* out) {
  typename Isa::Vector acc[Rows][Vectors];
#pragma GCC unroll 6
  for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
    for (int i = 0; i < Vectors; ++i) acc[r][i] = Isa::zero();
  }
  const float* row[Rows];
#pragma GCC unroll 6
  for (int r = 0; r < Rows; ++r) row[r] = inputs + r * args.channels;
  const float* u = args.weights;
  for (int64_t c = 0; c < args.channels; ++c, u += args.width) {
    typename Isa::Vector w[Vectors];
#pragma GCC unroll 4
    for (int i = 0; i < Vectors; ++i) w[i] = Isa::load_once(u + i * Isa::kLanes);
#pragma GCC unroll 6
    for (int r = 0; r < Rows; ++r) {
      const auto x = Isa::broadcast(row[r][c]);
#pragma GCC unroll 4
      for (int i = 0; i < Vectors; ++i) acc[r][i] = Isa::fma(x, w[i], acc[r][i]);
    }
  }
#pragma GCC unroll 6
  for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
    for (int i = 0; i < Vectors; ++i) Isa::store(out + r * args.width + i * Isa::kLanes, acc[r][i]);
  }
}

template <typename Isa, int Vectors, int... Minus1>
void product_rows(const WinogradProductsArgs& args, std::integer_sequence<int, Minus1...>) {
  using Block = void (*)(const WinogradProductsArgs&, const float*, float*);
  static constexpr Block kBlocks[] = {product_block<Isa, Minus1 + 1, Vectors>...};
  constexpr int64_t kMost = sizeof...(Minus1);
  const int64_t blocks = (args.tiles + kMost - 1) / kMost;
  for (int64_t block = 0, done = 0; block < blocks; ++block) {
    const int64_t rows = (args.tiles - done) / (blocks - block);
    kBlocks[rows - 1](args, args.inputs + done * args.channels, args.out + done * args.width);
    done += rows;
  }
}

template <typename Isa, int... Minus1>
void products_of_width(const WinogradProductsArgs& args, std::integer_sequence<int, Minus1...>) {
  using Rows = void (*)(const WinogradProductsArgs&, std::make_integer_sequence<int, Isa::kProductTiles>);
  static constexpr Rows kWidths[] = {product_rows<Isa, Minus1 + 1>...};
  kWidths[args.width / Isa::kLanes - 1](args, {});
}

template <typename Isa>
void winograd_products(const WinogradProductsArgs& args) {
  products_of_width<Isa>(args, std::make_integer_sequence<int, Isa::kProductVectors>{});
}

template <typename Isa, int Outputs>
void winograd_outputs(const WinogradOutputsArgs& args) {
  constexpr int kSize = Outputs + 2;
  using V = typename Isa::Vector;
  const V bound = Isa::broadcast(args.bound);
  for (int64_t tile = 0; tile < args.tiles; ++tile) {
    for (int64_t c = 0; c < args.width; c += Isa::kLanes) {
      const float* from = args.products + tile * args.width + c;
      float* to = args.out + tile * Outputs * args.width + c;
      V d[kSize * kSize];
#pragma GCC unroll 6
      for (int column = 0; column < kSize; ++column) {
#pragma GCC unroll 6
        for (int row = 0; row < kSize; ++row) {
          d[row * kSize + column] = Isa::load(from + (row * kSize + column) * args.product_stride);
        }
        transform_products<Isa, Outputs, kSize>(d + column);
      }
      const V bias = Isa::load(args.bias + c);
#pragma GCC unroll 4
      for (int row = 0; row < Outputs; ++row) {
        transform_products<Isa, Outputs, 1>(d + row * kSize);
#pragma GCC unroll 4
        for (int column = 0; column < Outputs; ++column) {
          float* at = to + row * args.row_stride + column * args.width;
          V v = Isa::add(d[row * kSize + column], bias);
          if (args.residual) v = Isa::add(v, Isa::load(at));
          Isa::store(at, Isa::min(bound, Isa::max(Isa::zero(), v)));
        }
      }
    }
  }
}

}  // namespace zaponnx
