// Where a pixel stands in the list of the pattern's pixels: closed forms, so that the list is written in parallel.
#pragma once

#include <cstdint>

#include "cuda/arguments.h"

#ifdef __CUDACC__
#define ZAPONNX_BOTH __host__ __device__
#else
#define ZAPONNX_BOTH
#endif

namespace zaponnx::cuda {

// Pattern pixels of row `row` before column `column`.
ZAPONNX_BOTH inline int before_column(const PatternTable& pattern, int row, int column) {
  const int* before = pattern.before + static_cast<int64_t>(row % pattern.rows) * (pattern.columns + 1);
  return column / pattern.columns * before[pattern.columns] + before[column % pattern.columns];
}

// Pattern pixels of an output map of so many columns before the row: of the whole map with its height for `row`.
ZAPONNX_BOTH inline int before_row(const PatternTable& pattern, int columns, int row) {
  int tile = 0;
  int part = 0;
  for (int i = 0; i < pattern.rows; ++i) {
    const int count = before_column(pattern, i, columns);
    tile += count;
    if (i < row % pattern.rows) part += count;
  }
  return row / pattern.rows * tile + part;
}

}  // namespace zaponnx::cuda
