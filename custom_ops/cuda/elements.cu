// Single outputs: one warp per pixel and channel block, for the few channels that its mask names. The lanes walk along
// K together, so a pixel's window and a channel's weights are read in whole lines; a window's vector serves kAtOnce
// channels. In float32 throughout; the weights are those of the tiles, rounded as the layer's precision says.
#include "cuda/device.h"
#include "cuda/kernels.h"

namespace zaponnx::cuda {
namespace {

constexpr int kThreads = 128;
constexpr int kAtOnce = 4;

struct FloatVector {
  static constexpr int kElements = 4;
  static __device__ __forceinline__ float dot(const uint4& a, const uint4& b, float sum) {
    sum += __uint_as_float(a.x) * __uint_as_float(b.x);
    sum += __uint_as_float(a.y) * __uint_as_float(b.y);
    sum += __uint_as_float(a.z) * __uint_as_float(b.z);
    sum += __uint_as_float(a.w) * __uint_as_float(b.w);
    return sum;
  }
};

struct HalfVector {
  static constexpr int kElements = 8;
  static __device__ __forceinline__ float dot(const uint4& a, const uint4& b, float sum) {
    const unsigned left[4] = {a.x, a.y, a.z, a.w};
    const unsigned right[4] = {b.x, b.y, b.z, b.w};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      sum += from_half(left[i] & 0xffff) * from_half(right[i] & 0xffff);
      sum += from_half(left[i] >> 16) * from_half(right[i] >> 16);
    }
    return sum;
  }
};

// The outputs of `count` channels (of the block) at a pixel.
template <typename Vector>
__device__ __forceinline__ void compute(const Convolution& conv, int block, int pixel, const int (&channels)[kAtOnce],
                                        int count) {
  const int lane = threadIdx.x % 32;
  const Window window = window_of(conv, pixel);
  const int first_channel = block / conv.group_blocks * conv.padded_channels;
  const int64_t row_vectors = static_cast<int64_t>(conv.chunks) * kChunkVectors;
  const uint4* weights =
      static_cast<const uint4*>(conv.weights) + static_cast<int64_t>(block) * kBlockChannels * row_vectors;
  const char* operand = static_cast<const char*>(conv.operand);
  float sums[kAtOnce] = {};
  TapCursor cursor(conv, lane * Vector::kElements);
  for (int vector = lane; vector < conv.vectors; vector += 32) {
    if (cursor.inside(conv, window)) {
      const uint64_t offset =
          (window.offset + first_channel + cursor.offset(conv)) * (kVectorBytes / Vector::kElements);
      const uint4 x = __ldg(reinterpret_cast<const uint4*>(operand + offset));
#pragma unroll
      for (int i = 0; i < kAtOnce; ++i) {
        if (i < count) sums[i] = Vector::dot(x, __ldg(&weights[channels[i] * row_vectors + vector]), sums[i]);
      }
    }
    cursor.advance(conv, 32 * Vector::kElements);
  }
  float sum = 0;  // lane i's is that of channel i
  int channel = 0;
#pragma unroll
  for (int i = 0; i < kAtOnce; ++i) {
#pragma unroll
    for (int distance = 16; distance > 0; distance /= 2) sums[i] += __shfl_xor_sync(~0u, sums[i], distance);
    if (lane == i) {
      sum = sums[i];
      channel = channels[i];
    }
  }
  if (lane >= count) return;
  channel += block / conv.group_blocks * conv.group_out_channels + block % conv.group_blocks * kBlockChannels;
  const int all_channels = conv.group * conv.group_out_channels;
  const int image_pixels = conv.out_height * conv.out_width;
  const int64_t index =
      conv.y.nhwc
          ? static_cast<int64_t>(pixel) * all_channels + channel
          : (static_cast<int64_t>(pixel / image_pixels) * all_channels + channel) * image_pixels + pixel % image_pixels;
  sum += conv.bias[channel];
  if (conv.z.data != nullptr) sum += load(conv.z, index);
  store(conv.y, index, clipped(sum, conv.bound));
}

template <typename Vector>
__global__ void __launch_bounds__(kThreads) compute_elements(const Convolution conv, const RemainingWork work) {
  int block = 0;
  int64_t index = static_cast<int64_t>(blockIdx.x) * (kThreads / 32) + threadIdx.x / 32;
  while (true) {
    while (block < conv.blocks && index >= work.element_counts[block]) index -= work.element_counts[block++];
    if (block == conv.blocks) return;
    const int64_t entry = (block + 1) * work.capacity - 1 - index;
    const int pixel = work.pixels[entry];
    uint64_t mask = work.masks[entry];
    while (mask != 0) {
      int channels[kAtOnce];
      int count = 0;
#pragma unroll
      for (int i = 0; i < kAtOnce; ++i) {
        channels[i] = 0;
        if (mask == 0) continue;
        channels[i] = __ffsll(static_cast<long long>(mask)) - 1;
        mask &= mask - 1;
        ++count;
      }
      compute<Vector>(conv, block, pixel, channels, count);
    }
    index += static_cast<int64_t>(gridDim.x) * (kThreads / 32);
  }
}

}  // namespace

cudaError_t load_elements_kernel(int half) {
  cudaFuncAttributes attributes;
  return cudaFuncGetAttributes(&attributes, half ? compute_elements<HalfVector> : compute_elements<FloatVector>);
}

cudaError_t launch_elements(int half, int64_t blocks, const Convolution& conv, const RemainingWork& work,
                            cudaStream_t stream) {
  return launch(half ? compute_elements<HalfVector> : compute_elements<FloatVector>, blocks, kThreads, stream, conv,
                work);
}

}  // namespace zaponnx::cuda
