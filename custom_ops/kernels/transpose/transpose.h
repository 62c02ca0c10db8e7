// Changes of layout: a matrix's transposition in square blocks, with scalar
// tails.
#pragma once

#include "kernels/two_path/vector_kernels.h"

namespace zaponnx {

template <typename Isa>
void transpose(const float* from, int64_t from_stride, float* to, int64_t to_stride, int64_t rows, int64_t columns) {
  constexpr int64_t kBlock = Isa::kTransposeBlock;
  const int64_t block_rows = rows / kBlock * kBlock;
  const int64_t block_columns = columns / kBlock * kBlock;
  for (int64_t j = 0; j < block_columns; j += kBlock) {
    for (int64_t i = 0; i < block_rows; i += kBlock) {
      Isa::transpose(from + i * from_stride + j, from_stride, to + j * to_stride + i, to_stride);
    }
  }
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = i < block_rows ? block_columns : 0; j < columns; ++j)
      to[j * to_stride + i] = from[i * from_stride + j];
  }
}

}  // namespace zaponnx
