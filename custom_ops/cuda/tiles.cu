// The convolution at listed pixels as an implicit GEMM: weights (channels x K) times windows (K x pixels).
//
// A thread block has 128 threads and computes 64 channels x 128 (or 64, or 32) pixels, as tile_sums.h says. K is walked
// in chunks of 64 bytes per row, through kStages buffers that cp.async fills ahead; a pixel's 16 bytes are neighbouring
// channels of one tap, so that pixels of any list are gathered in whole vectors and there is no im2col.
// The lists' lengths are known on the device only, so the grid is as large as the longest lists or the GPU allow, and
// its blocks share out the tiles. Where there are fewer tiles than blocks, K is cut into slices; the block that
// finishes a tile last adds the slices in their order (not that of their arrival: the bits do not depend on it).
#include "cuda/device.h"
#include "cuda/kernels.h"
#include "cuda/tile_sums.h"

namespace zaponnx::cuda {
namespace {

constexpr int kStages = 3;  // four are not faster

// Which sums a block computes: a tile of a channel block's list, and a slice of K.
struct Part {
  int tile, block, first, count;  // `count` pixels from the list's `first` on; maybe none
  int slice, slices;
};

struct Shares {
  int tiles, slices;

  // Tiles go by pixels first, then by channel blocks, so that blocks which run together share their windows in L2;
  // lists of different lengths leave some empty.
  __device__ Shares(const Convolution& conv, const PixelLists& lists, int tile_pixels) {
    int longest = 0;
    const int counts = lists.count_stride == 0 ? 1 : conv.blocks;
    for (int block = 0; block < counts; ++block) longest = max(longest, lists.counts[block]);
    tiles = (longest + tile_pixels - 1) / tile_pixels * conv.blocks;
    slices = 1;
    if (tiles > 0) slices = max(1, min(min(conv.chunks / kLeastSliceChunks, kMaxSlices), int(gridDim.x) / tiles));
  }

  __device__ Part part(const Convolution& conv, const PixelLists& lists, int tile_pixels, int index) const {
    Part part;
    part.tile = index / slices;
    part.slice = index % slices;
    part.slices = slices;
    part.block = part.tile % conv.blocks;
    part.first = part.tile / conv.blocks * tile_pixels;
    part.count = min(tile_pixels, lists.counts[part.block * lists.count_stride] - part.first);
    return part;
  }
};

// Sums a part over its slice of K, by way of `buffers`.
template <typename Sums, int kPixels>
__device__ __forceinline__ void sum_part(const Convolution& conv, const int* pixels, const Part& part, Sums& result,
                                         uint4* buffers) {
  constexpr int kBufferVectors = (kBlockChannels + kPixels) * kChunkVectors;
  constexpr int kElements = kVectorBytes / Sums::kBytes;  // of a vector
  constexpr int kRowsAtOnce = kTileThreads / kChunkVectors;
  constexpr int kPixelCopies = kPixels / kRowsAtOnce;
  constexpr int kWeightCopies = kBlockChannels / kRowsAtOnce;
  const int vector = threadIdx.x % kChunkVectors;  // this thread copies it of every kRowsAtOnce-th row
  const int row = threadIdx.x / kChunkVectors;
  const int begin = static_cast<int>(static_cast<int64_t>(conv.chunks) * part.slice / part.slices);
  const int end = static_cast<int>(static_cast<int64_t>(conv.chunks) * (part.slice + 1) / part.slices);

  const uint64_t first_channel = part.block / conv.group_blocks * conv.padded_channels;
  Window windows[kPixelCopies];
#pragma unroll
  for (int i = 0; i < kPixelCopies; ++i) {
    const int index = row + i * kRowsAtOnce;
    windows[i] = index < part.count ? window_of(conv, pixels[part.first + index]) : no_window();
    // From now on the address; nothing is read at one that is outside.
    windows[i].offset = reinterpret_cast<uint64_t>(conv.operand) + (windows[i].offset + first_channel) * Sums::kBytes;
  }
  const int64_t weight_row = static_cast<int64_t>(conv.chunks) * kChunkVectors;
  const uint4* weights = static_cast<const uint4*>(conv.weights) + (part.block * kBlockChannels + row) * weight_row +
                         static_cast<int64_t>(begin) * kChunkVectors + vector;
  TapCursor cursor(conv, (begin * kChunkVectors + vector) * kElements);
  auto copy_chunk = [&](int stage) {
    uint4* buffer = buffers + stage * kBufferVectors;
#pragma unroll
    for (int i = 0; i < kWeightCopies; ++i) {
      copy_async(&buffer[place(row + i * kRowsAtOnce, vector)], weights + i * kRowsAtOnce * weight_row, true);
    }
    const uint64_t offset = cursor.offset(conv) * Sums::kBytes;
#pragma unroll
    for (int i = 0; i < kPixelCopies; ++i) {
      copy_async(&buffer[place(kBlockChannels + row + i * kRowsAtOnce, vector)],
                 reinterpret_cast<const void*>(windows[i].offset + offset), cursor.inside(conv, windows[i]));
    }
    weights += kChunkVectors;
    cursor.advance(conv, kChunkVectors * kElements);
  };

#pragma unroll
  for (float& sum : result.sums) sum = 0;
#pragma unroll
  for (int stage = 0; stage < kStages - 1; ++stage) {
    if (begin + stage < end) copy_chunk(stage);
    commit_copies();
  }
  int reading = 0;
  int writing = kStages - 1;
  for (int chunk = begin; chunk < end; ++chunk) {
    wait_for_copies<kStages - 2>();
    __syncthreads();  // the chunk is there for all, and all are done with the one whose buffer is filled next
    if (chunk + kStages - 1 < end) copy_chunk(writing);
    commit_copies();
    const uint4* buffer = buffers + reading * kBufferVectors;
    result.add(buffer, buffer + kBlockChannels * kChunkVectors);
    reading = reading + 1 == kStages ? 0 : reading + 1;
    writing = writing + 1 == kStages ? 0 : writing + 1;
  }
  wait_for_copies<0>();
  __syncthreads();  // the buffers are free
}

// Adds the slices of a tile; true for the block that has them all, which is the last to come.
template <typename Sums, int kPixels>
__device__ __forceinline__ bool add_slices(const Part& part, const Slices& slices, Sums& result) {
  constexpr int kTileSums = kBlockChannels * kPixels;
  float* partial = slices.partial + static_cast<int64_t>(part.tile) * part.slices * kTileSums + threadIdx.x;
#pragma unroll
  for (int i = 0; i < Sums::kCount; ++i) __stcg(&partial[part.slice * kTileSums + i * kTileThreads], result.sums[i]);
  __syncthreads();
  bool last = false;
  if (threadIdx.x == 0) {
    __threadfence();  // after the barrier, and so for all threads' sums
    last = atomicAdd(&slices.tickets[part.tile], 1) == part.slices - 1;
    __threadfence();
    if (last) slices.tickets[part.tile] = 0;
  }
  if (!__syncthreads_or(last)) return false;
#pragma unroll
  for (int i = 0; i < Sums::kCount; ++i) result.sums[i] = __ldcg(&partial[i * kTileThreads]);
  for (int slice = 1; slice < part.slices; ++slice) {
#pragma unroll
    for (int i = 0; i < Sums::kCount; ++i) result.sums[i] += __ldcg(&partial[slice * kTileSums + i * kTileThreads]);
  }
  return true;
}

// An output's sum in float32, for where the parts of split factors give an infinity or a NaN, which need not be one.
__device__ __forceinline__ float plain_sum(const Convolution& conv, int block, int channel, int pixel) {
  const Window window = window_of(conv, pixel);
  const float* const operand = static_cast<const float*>(conv.operand);
  const uint64_t first = window.offset + block / conv.group_blocks * conv.padded_channels;
  const int elements = kVectorBytes / static_cast<int>(sizeof(float));
  const float* weights =
      static_cast<const float*>(conv.weights) +
      (static_cast<int64_t>(block) * kBlockChannels + channel) * conv.chunks * kChunkVectors * elements;
  float sum = 0;
  TapCursor cursor(conv, 0);
  for (int k = 0; k < conv.vectors * elements; ++k) {
    if (cursor.inside(conv, window)) sum += operand[first + cursor.offset(conv)] * weights[k];
    cursor.advance(conv, 1);
  }
  return sum;
}

// Bias, residual, activation and the mask; by way of shared memory, so that neighbouring threads write neighbouring
// pixels (channels in NHWC).
template <typename Sums, int kPixels>
__device__ __forceinline__ void write_tile(const Convolution& conv, const PixelLists& lists, const Part& part,
                                           const Sums& result, float* tile) {
  constexpr int kPitch = kPixels + 1;  // odd, so that columns fall into different banks, too
  uint64_t* const masks = reinterpret_cast<uint64_t*>(tile + (kBlockChannels * kPitch + 1) / 2 * 2);
  int* const pixels = reinterpret_cast<int*>(masks + kPixels);
  result.each([&](int channel, int pixel, float sum) { tile[channel * kPitch + pixel] = sum; });
  const int64_t first_entry = part.block * lists.list_stride + part.first;
  if (static_cast<int>(threadIdx.x) < part.count) {
    masks[threadIdx.x] = lists.masks == nullptr ? ~uint64_t{0} : lists.masks[first_entry + threadIdx.x];
    pixels[threadIdx.x] = lists.pixels[first_entry + threadIdx.x];
  }
  __syncthreads();
  const int first_channel =
      part.block / conv.group_blocks * conv.group_out_channels + part.block % conv.group_blocks * kBlockChannels;
  const int channels = min(kBlockChannels, conv.group_out_channels - part.block % conv.group_blocks * kBlockChannels);
  const int all_channels = conv.group * conv.group_out_channels;
  const int image_pixels = conv.out_height * conv.out_width;
  auto write = [&](int channel, int p, int64_t index) {
    float value = tile[channel * kPitch + p];
    if (Sums::kSplits && !(fabsf(value) < HUGE_VALF)) value = plain_sum(conv, part.block, channel, pixels[p]);
    value += __ldg(&conv.bias[first_channel + channel]);
    // Activations are float16 only where factors are.
    const bool half = Sums::kBytes == 2 && conv.y.half;
    if (conv.z.data != nullptr) value += half ? load<true>(conv.z, index) : load<false>(conv.z, index);
    value = clipped(value, conv.bound);
    half ? store<true>(conv.y, index, value) : store<false>(conv.y, index, value);
  };
  if (conv.y.nhwc) {
    const int channel = threadIdx.x % kBlockChannels;
    if (channel < channels) {
#pragma unroll 4
      for (int p = threadIdx.x / kBlockChannels; p < part.count; p += kTileThreads / kBlockChannels) {
        if (masks[p] >> channel & 1) write(channel, p, int64_t{pixels[p]} * all_channels + first_channel + channel);
      }
    }
  } else {
    const int p = threadIdx.x % kPixels;
    if (p < part.count) {
      const uint64_t mask = masks[p];
      const int64_t first =
          (static_cast<int64_t>(pixels[p] / image_pixels) * all_channels + first_channel) * image_pixels +
          pixels[p] % image_pixels;
#pragma unroll 4
      for (int channel = threadIdx.x / kPixels; channel < channels; channel += kTileThreads / kPixels) {
        if (mask >> channel & 1) write(channel, p, first + static_cast<int64_t>(channel) * image_pixels);
      }
    }
  }
  __syncthreads();  // the next tile's buffers are in the same memory
}

template <typename Sums, int kPixels>
__global__ void __launch_bounds__(kTileThreads, Sums::kBlocksAtOnce)
    multiply_tiles(const Convolution conv, const PixelLists lists, const Slices slices) {
  constexpr int kBufferVectors = kStages * (kBlockChannels + kPixels) * kChunkVectors;
  static_assert(kBlockChannels * (kPixels + 1) * 4 + 8 + kPixels * 12 <= kBufferVectors * sizeof(uint4),
                "the tile fits");
  __shared__ __align__(128) uint4 buffers[kBufferVectors];
  const Shares shares(conv, lists, kPixels);
  for (int index = blockIdx.x; index < shares.tiles * shares.slices; index += gridDim.x) {
    const Part part = shares.part(conv, lists, kPixels, index);
    if (part.count <= 0) continue;
    Sums result;
    sum_part<Sums, kPixels>(conv, lists.pixels + part.block * lists.list_stride, part, result, buffers);
    if (part.slices > 1 && !add_slices<Sums, kPixels>(part, slices, result)) continue;
    write_tile<Sums, kPixels>(conv, lists, part, result, reinterpret_cast<float*>(buffers));
  }
}

using TilesKernel = void (*)(Convolution, PixelLists, Slices);

template <int kPixels>
TilesKernel tiles_kernel(Products products) {
  switch (products) {
    case Products::kSplit:
      return multiply_tiles<TensorSums<kPixels, Products::kSplit>, kPixels>;
    case Products::kTf32:
      return multiply_tiles<TensorSums<kPixels, Products::kTf32>, kPixels>;
    case Products::kHalf:
      return multiply_tiles<TensorSums<kPixels, Products::kHalf>, kPixels>;
    default:
      return multiply_tiles<PlainSums<kPixels>, kPixels>;
  }
}

TilesKernel tiles_kernel(Products products, int tile_pixels) {
  switch (tile_pixels) {
    case kLargeTile:
      return tiles_kernel<kLargeTile>(products);
    case kMediumTile:
      return tiles_kernel<kMediumTile>(products);
    default:
      return tiles_kernel<kSmallTile>(products);
  }
}

}  // namespace

cudaError_t load_tiles_kernel(Products products, int tile_pixels, int* blocks_at_once) {
  return cudaOccupancyMaxActiveBlocksPerMultiprocessor(blocks_at_once, tiles_kernel(products, tile_pixels),
                                                       kTileThreads, 0);
}

cudaError_t launch_tiles(Products products, int tile_pixels, int64_t blocks, const Convolution& conv,
                         const PixelLists& lists, const Slices& slices, cudaStream_t stream) {
  return launch(tiles_kernel(products, tile_pixels), blocks, kTileThreads, stream, conv, lists, slices);
}

}  // namespace zaponnx::cuda
