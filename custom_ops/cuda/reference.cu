// The formula, a thread per output, in 64-bit extents: for layers that the tiles do not suit (depthwise ones among
// them), and what the tests compare with on the device.
#include "cuda/device.h"
#include "cuda/kernels.h"

namespace zaponnx::cuda {
namespace {

constexpr int kThreads = 256;

struct Output {
  int64_t image, channel, row, column;
};

__device__ __forceinline__ bool in_pattern(const PatternTable& pattern, int64_t row, int64_t column) {
  return pattern.tile[row % pattern.rows * pattern.columns + column % pattern.columns] != 0;
}

__device__ __forceinline__ int64_t index_of(const Activation& activation, int64_t channels, int64_t height,
                                            int64_t width, const Output& at) {
  return activation.nhwc ? ((at.image * height + at.row) * width + at.column) * channels + at.channel
                         : ((at.image * channels + at.channel) * height + at.row) * width + at.column;
}

__device__ __forceinline__ int64_t y_index(const Reference& layer, const Output& at) {
  return index_of(layer.y, layer.out_channels, layer.out_height, layer.out_width, at);
}

__device__ float output(const Reference& layer, const Output& at) {
  const int64_t first_channel = at.channel / layer.group_out_channels * layer.group_in_channels;
  const int64_t taps = layer.kernel_height * layer.kernel_width;
  float sum = layer.bias[at.channel];
  for (int64_t i = 0; i < layer.kernel_height; ++i) {
    const int64_t row = at.row * layer.stride_rows - layer.pad_top + i * layer.dilation_rows;
    if (row < 0 || row >= layer.in_height) continue;
    for (int64_t j = 0; j < layer.kernel_width; ++j) {
      const int64_t column = at.column * layer.stride_columns - layer.pad_left + j * layer.dilation_columns;
      if (column < 0 || column >= layer.in_width) continue;
      const float* weights = layer.weights + at.channel * layer.group_in_channels * taps + i * layer.kernel_width + j;
      for (int64_t c = 0; c < layer.group_in_channels; ++c) {
        const Output x{at.image, first_channel + c, row, column};
        sum +=
            load(layer.x, index_of(layer.x, layer.in_channels, layer.in_height, layer.in_width, x)) * weights[c * taps];
      }
    }
  }
  if (layer.z.data != nullptr) sum += load(layer.z, y_index(layer, at));
  return clipped(sum, layer.bound);
}

__device__ __forceinline__ float parameter(const Reference& layer, const Output& at, int index) {
  return layer.predictor.parameters[index * layer.out_channels + at.channel];
}

// The predictor's hidden map at a pixel of Y.
__device__ float hidden(const Reference& layer, const Output& at) {
  float sum = parameter(layer, at, 9);
  for (int i = 0; i < 9; ++i) {
    const Output from{at.image, at.channel, at.row + i / 3 - 1, at.column + i % 3 - 1};
    if (from.row < 0 || from.row >= layer.out_height || from.column < 0 || from.column >= layer.out_width) continue;
    if (in_pattern(layer.pattern, from.row, from.column)) {
      sum += load(layer.y, y_index(layer, from)) * parameter(layer, at, i);
    }
  }
  return rectified(sum);
}

__device__ bool predicted_zero(const Reference& layer, const Output& at) {
  float sum = parameter(layer, at, 19);
  for (int i = 0; i < 9; ++i) {
    const Output from{at.image, at.channel, at.row + i / 3 - 1, at.column + i % 3 - 1};
    if (from.row < 0 || from.row >= layer.out_height || from.column < 0 || from.column >= layer.out_width) continue;
    sum += hidden(layer, from) * parameter(layer, at, 10 + i);
  }
  return sum <= parameter(layer, at, 20);
}

// First the pattern's outputs, then all others, which depend on Y at the pattern alone.
template <bool kPattern>
__global__ void __launch_bounds__(kThreads, 3) compute_outputs(const Reference layer) {
  const int64_t count = layer.batch * layer.out_channels * layer.out_height * layer.out_width;
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += step) {
    const int64_t plane = i / layer.out_width / layer.out_height;
    const Output at{plane / layer.out_channels, plane % layer.out_channels, i / layer.out_width % layer.out_height,
                    i % layer.out_width};
    if (in_pattern(layer.pattern, at.row, at.column) != kPattern) continue;
    store(layer.y, y_index(layer, at), !kPattern && predicted_zero(layer, at) ? 0.0f : output(layer, at));
  }
}

}  // namespace

cudaError_t load_reference_kernels() {
  cudaFuncAttributes attributes;
  const cudaError_t error = cudaFuncGetAttributes(&attributes, compute_outputs<true>);
  return error == cudaSuccess ? cudaFuncGetAttributes(&attributes, compute_outputs<false>) : error;
}

cudaError_t launch_reference(const Reference& layer, cudaStream_t stream) {
  const int64_t count = layer.batch * layer.out_channels * layer.out_height * layer.out_width;
  const int64_t needed = count / kThreads + 1;
  const int64_t blocks = needed < 65536 ? needed : 65536;
  const cudaError_t error = launch(compute_outputs<true>, blocks, kThreads, stream, layer);
  return error == cudaSuccess ? launch(compute_outputs<false>, blocks, kThreads, stream, layer) : error;
}

}  // namespace zaponnx::cuda
