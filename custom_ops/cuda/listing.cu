// The list of the pattern's pixels, ascending, and the counters of a run set to zero. Every pixel of the pattern
// computes its place in closed form, so nothing is scanned.
#include "cuda/device.h"
#include "cuda/kernels.h"
#include "cuda/rank.h"

namespace zaponnx::cuda {
namespace {

constexpr int kThreads = 256;

__global__ void list_pattern(int batch, int out_height, int out_width, const PatternTable pattern, int* pixels,
                             int* count, int* counters, int counter_count) {
  const int first = blockIdx.x * blockDim.x + threadIdx.x;
  const int all = gridDim.x * blockDim.x;
  for (int i = first; i < counter_count; i += all) counters[i] = 0;
  const int image_pixels = out_height * out_width;
  const int image_count = before_row(pattern, out_width, out_height);
  if (first == 0) *count = batch * image_count;
  for (int64_t pixel = first; pixel < static_cast<int64_t>(batch) * image_pixels; pixel += all) {
    const int image = static_cast<int>(pixel / image_pixels);
    const int row = static_cast<int>(pixel % image_pixels) / out_width;
    const int column = static_cast<int>(pixel % image_pixels) % out_width;
    if (pattern.tile[static_cast<int64_t>(row % pattern.rows) * pattern.columns + column % pattern.columns]) {
      pixels[image * image_count + before_row(pattern, out_width, row) + before_column(pattern, row, column)] =
          static_cast<int>(pixel);
    }
  }
}

}  // namespace

cudaError_t load_list_kernel() {
  cudaFuncAttributes attributes;
  return cudaFuncGetAttributes(&attributes, list_pattern);
}

cudaError_t launch_list(int batch, int out_height, int out_width, const PatternTable& pattern, int* pixels, int* count,
                        int* counters, int counter_count, cudaStream_t stream) {
  const int64_t items = static_cast<int64_t>(batch) * out_height * out_width + counter_count;
  const int64_t blocks = items / kThreads + 1;
  return launch(list_pattern, blocks < 2048 ? blocks : 2048, kThreads, stream, batch, out_height, out_width, pattern,
                pixels, count, counters, counter_count);
}

}  // namespace zaponnx::cuda
