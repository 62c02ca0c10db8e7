// X to the operand of the GEMM: channels innermost, each group's padded with zeros to whole vectors of 16 bytes, in the
// operand's type. From NCHW it is a transposition by way of shared memory; from NHWC a copy, which the host leaves out
// where it would change nothing.
#include "cuda/device.h"
#include "cuda/kernels.h"

namespace zaponnx::cuda {
namespace {

constexpr int kSide = 32;  // pixels and channels of a block
constexpr int kThreads = 256;

__device__ __forceinline__ void write(const Staging& staging, int64_t index, float value) {
  if (staging.to_half) {
    static_cast<uint16_t*>(staging.operand)[index] = to_half(value);
  } else {
    static_cast<float*>(staging.operand)[index] = value;
  }
}

__global__ void stage(const Staging staging) {
  __shared__ float tile[kSide][kSide + 1];
  const int operand_channels = staging.group * staging.padded_channels;
  const int channel_tiles = (operand_channels + kSide - 1) / kSide;
  const int64_t pixel_tiles = (staging.pixels + kSide - 1) / kSide;
  const int64_t image = blockIdx.x / (pixel_tiles * channel_tiles);
  const int64_t first_pixel = blockIdx.x / channel_tiles % pixel_tiles * kSide;
  const int first_channel = static_cast<int>(blockIdx.x % channel_tiles) * kSide;
  const int inner = threadIdx.x % kSide;
  const int channels = staging.group * staging.group_channels;
  for (int outer = threadIdx.x / kSide; outer < kSide; outer += kThreads / kSide) {
    // Neighbouring threads read neighbours in memory.
    const int channel = first_channel + (staging.x.nhwc ? inner : outer);
    const int64_t pixel = first_pixel + (staging.x.nhwc ? outer : inner);
    float value = 0;
    if (channel < operand_channels && pixel < staging.pixels &&
        channel % staging.padded_channels < staging.group_channels) {
      const int from = channel / staging.padded_channels * staging.group_channels + channel % staging.padded_channels;
      value = load(staging.x, staging.x.nhwc ? (image * staging.pixels + pixel) * channels + from
                                             : (image * channels + from) * staging.pixels + pixel);
    }
    tile[staging.x.nhwc ? outer : inner][staging.x.nhwc ? inner : outer] = value;
  }
  __syncthreads();
  const int channel = first_channel + inner;
  if (channel >= operand_channels) return;
  for (int outer = threadIdx.x / kSide; outer < kSide; outer += kThreads / kSide) {
    const int64_t pixel = first_pixel + outer;
    if (pixel < staging.pixels) {
      write(staging, (image * staging.pixels + pixel) * operand_channels + channel, tile[outer][inner]);
    }
  }
}

}  // namespace

cudaError_t load_staging_kernel() {
  cudaFuncAttributes attributes;
  return cudaFuncGetAttributes(&attributes, stage);
}

cudaError_t launch_staging(const Staging& staging, cudaStream_t stream) {
  const int64_t channel_tiles = (staging.group * staging.padded_channels + kSide - 1) / kSide;
  return launch(stage, staging.batch * ((staging.pixels + kSide - 1) / kSide) * channel_tiles, kThreads, stream,
                staging);
}

}  // namespace zaponnx::cuda
