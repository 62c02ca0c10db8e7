// Changes of layout: a matrix's transposition in square blocks. Where the sizes are no multiple of the block, the last
// blocks overlap their neighbours and write the same values again; only matrices smaller than a block go one by one.
#pragma once

#include "kernels/vector_kernels.h"

namespace zaponnx {

template <typename Isa>
void transpose(const float* from, int64_t from_stride, float* to, int64_t to_stride, int64_t rows, int64_t columns) {
  constexpr int64_t kBlock = Isa::kTransposeBlock;
  if (rows < kBlock || columns < kBlock) {
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < columns; ++j) to[j * to_stride + i] = from[i * from_stride + j];
    }
    return;
  }
  for (int64_t next_j = 0; next_j < columns; next_j += kBlock) {
    const int64_t j = next_j + kBlock <= columns ? next_j : columns - kBlock;
    for (int64_t next_i = 0; next_i < rows; next_i += kBlock) {
      const int64_t i = next_i + kBlock <= rows ? next_i : rows - kBlock;
      Isa::transpose(from + i * from_stride + j, from_stride, to + j * to_stride + i, to_stride);
    }
  }
}

}  // namespace zaponnx
