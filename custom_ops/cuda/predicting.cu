// Both depthwise convolutions of the predictor, the decision, and the compaction of what is left to do, in one pass
// over Y: nothing of S, the hidden map or V is ever in device memory.
//
// A block has a window of 8 x 8 pixels and a block of 64 channels. It brings S to shared memory, with a border of 2. A
// warp then has 32 channels, a lane each, and two of the window's rows, along which it walks: the last three columns of
// S and of the hidden map are in registers, and 32 decisions are a ballot. For each pixel outside the pattern, zeros
// are written for the channels that need no computing and a 64-bit mask of the others to one of two lists: of the
// pixels that the tiles take with all channels, and of those of which single outputs are computed. A list is filled in
// any order, block by block; no result depends on it.
#include "cuda/device.h"
#include "cuda/kernels.h"

namespace zaponnx::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kRows = 8;
constexpr int kColumns = 8;
constexpr int kPixels = kRows * kColumns;
constexpr int kHalves = kBlockChannels / 32;
constexpr int kWarps = kThreads / 32;
constexpr int kBand = kRows * kHalves / kWarps;  // rows of a warp
constexpr int kKnownColumns = kColumns + 4;
constexpr int kKnown = (kRows + 4) * kKnownColumns;
constexpr int kAtOnce = kKnown / kWarps / 2;  // pixels that a warp loads together in NHWC
static_assert(2 * kAtOnce * kWarps == kKnown, "all pixels are loaded");
constexpr int kOutside = -1;

struct Maps {
  float known[kKnown][kBlockChannels + 1];  // odd, so that neighbouring pixels fall into different banks
  int pixels[kKnown];  // in the pattern: the pixel's place in its image; in Y only: -2 minus it; else kOutside
  unsigned masks[kPixels][kHalves];
  int entries[2][kWarps];  // for tiles, for elements: of each warp
  int first[2];
};

struct Place {
  int row, column;  // of the window's first pixel in Y
  int channel;      // the block's first
  int channels;     // of the block
  int64_t y_image;  // the image's first element in Y
};

// bias + the 3 x 3 window of which `map` has the rows.
__device__ __forceinline__ float depthwise(const float (*map)[3], const float* weights, float sum) {
#pragma unroll
  for (int row = 0; row < 3; ++row) {
#pragma unroll
    for (int column = 0; column < 3; ++column) sum += map[row][column] * weights[row * 3 + column];
  }
  return sum;
}

__device__ __forceinline__ int64_t y_index(const Convolution& conv, const Place& place, int channel, int pixel) {
  return place.y_image + (conv.y.nhwc ? static_cast<int64_t>(pixel) * (conv.group * conv.group_out_channels) + channel
                                      : static_cast<int64_t>(channel) * conv.out_height * conv.out_width + pixel);
}

// A pixel of the window in the maps with a border.
__device__ __forceinline__ int known_of(int pixel) {
  return (pixel / kColumns + 2) * kKnownColumns + pixel % kColumns + 2;
}

// Brings S to `known`. In NHWC a warp has a pixel at a time, in NCHW a channel; loads go out together.
template <bool kHalf>
__device__ __forceinline__ void load_known(const Convolution& conv, const Place& place, Maps& maps) {
  const int lane = threadIdx.x % 32;
  const int warp = threadIdx.x / 32;
  if (conv.y.nhwc) {
    for (int first = warp; first < kKnown; first += kAtOnce * kWarps) {
      float values[kAtOnce][kHalves];
#pragma unroll
      for (int i = 0; i < kAtOnce; ++i) {
        const int pixel = maps.pixels[first + i * kWarps];
        const int64_t index = y_index(conv, place, place.channel + lane, pixel);
#pragma unroll
        for (int half = 0; half < kHalves; ++half) {
          values[i][half] =
              pixel >= 0 && half * 32 + lane < place.channels ? load<kHalf>(conv.y, index + half * 32) : 0;
        }
      }
#pragma unroll
      for (int i = 0; i < kAtOnce; ++i) {
#pragma unroll
        for (int half = 0; half < kHalves; ++half) maps.known[first + i * kWarps][half * 32 + lane] = values[i][half];
      }
    }
    return;
  }
  constexpr int kAcross = (kKnown + 31) / 32;
  int pixels[kAcross];
#pragma unroll
  for (int i = 0; i < kAcross; ++i) pixels[i] = i * 32 + lane < kKnown ? maps.pixels[i * 32 + lane] : kOutside;
#pragma unroll 2
  for (int channel = warp; channel < kBlockChannels; channel += kWarps) {
    float values[kAcross];
#pragma unroll
    for (int i = 0; i < kAcross; ++i) {
      values[i] = pixels[i] >= 0 && channel < place.channels
                      ? load<kHalf>(conv.y, y_index(conv, place, place.channel + channel, pixels[i]))
                      : 0;
    }
#pragma unroll
    for (int i = 0; i < kAcross; ++i) {
      if (i * 32 + lane < kKnown) maps.known[i * 32 + lane][channel] = values[i];
    }
  }
}

// Writes zeros for the channels that need no computing.
template <bool kHalf>
__device__ __forceinline__ void write_zeros(const Convolution& conv, const Place& place, const Maps& maps) {
  const int lane = threadIdx.x % 32;
  const int warp = threadIdx.x / 32;
  if (conv.y.nhwc) {
#pragma unroll 4
    for (int at = warp; at < kPixels; at += kWarps) {
      const int pixel = maps.pixels[known_of(at)];
      if (pixel >= kOutside) continue;
      const int64_t index = y_index(conv, place, place.channel + lane, -2 - pixel);
#pragma unroll
      for (int half = 0; half < kHalves; ++half) {
        if (!(maps.masks[at][half] >> lane & 1) && half * 32 + lane < place.channels) {
          store<kHalf>(conv.y, index + half * 32, 0);
        }
      }
    }
    return;
  }
#pragma unroll
  for (int first = 0; first < kPixels; first += 32) {
    const int pixel = maps.pixels[known_of(first + lane)];
    if (pixel >= kOutside) continue;
#pragma unroll 4
    for (int channel = warp; channel < place.channels; channel += kWarps) {
      if (!(maps.masks[first + lane][channel / 32] >> channel % 32 & 1)) {
        store<kHalf>(conv.y, y_index(conv, place, place.channel + channel, -2 - pixel), 0);
      }
    }
  }
}

// All bits if the index is within the extent, else none.
__device__ __forceinline__ unsigned bits_if(int index, int extent) {
  return static_cast<unsigned>(index) < static_cast<unsigned>(extent) ? ~0u : 0u;
}

// The masks of a warp's rows and channels.
__device__ __forceinline__ void predict(const Convolution& conv, const Place& place, int first_row, int channel,
                                        const float (&parameters)[kPredictorParameters], Maps& maps) {
  float known[kBand + 4][3] = {};
  float hidden[kBand + 2][3] = {};
  // Of the hidden map, which outside Y is zero: the second convolution's padding. Bits, not branches: the rows' sums
  // are independent of each other.
  unsigned row_bits[kBand + 2];
#pragma unroll
  for (int row = 0; row < kBand + 2; ++row) {
    row_bits[row] = bits_if(place.row + first_row - 1 + row, conv.out_height);
  }
#pragma unroll
  for (int column = 0; column < kKnownColumns; ++column) {
#pragma unroll
    for (int row = 0; row < kBand + 4; ++row) {
      known[row][0] = known[row][1];
      known[row][1] = known[row][2];
      known[row][2] = maps.known[(first_row + row) * kKnownColumns + column][channel];
    }
    if (column < 2) continue;
    const unsigned column_bits = bits_if(place.column - 3 + column, conv.out_width);
#pragma unroll
    for (int row = 0; row < kBand + 2; ++row) {
      hidden[row][0] = hidden[row][1];
      hidden[row][1] = hidden[row][2];
      const float value = rectified(depthwise(&known[row], parameters, parameters[9]));
      hidden[row][2] = __uint_as_float(__float_as_uint(value) & row_bits[row] & column_bits);
    }
    if (column < 4) continue;
#pragma unroll
    for (int row = 0; row < kBand; ++row) {
      const float value = depthwise(&hidden[row], parameters + 10, parameters[19]);
      const unsigned mask = __ballot_sync(~0u, !(value <= parameters[20]));
      if (channel % 32 == 0) maps.masks[(first_row + row) * kColumns + column - 4][channel / 32] = mask;
    }
  }
}

// Appends each pixel that has a mask to one of the block's lists; threads beyond the window's pixels have none.
__device__ __forceinline__ void append(const RemainingWork& work, int block, int pixel, uint64_t mask, Maps& maps) {
  const int lane = threadIdx.x % 32;
  const int warp = threadIdx.x / 32;
  const bool by_element = __popcll(mask) <= work.element_channels;
  const unsigned votes[2] = {__ballot_sync(~0u, mask != 0 && !by_element), __ballot_sync(~0u, mask != 0 && by_element)};
  if (lane == 0) {
    for (int list = 0; list < 2; ++list) maps.entries[list][warp] = __popc(votes[list]);
  }
  __syncthreads();
  if (threadIdx.x < 2) {
    int sum = 0;
    for (int& entries : maps.entries[threadIdx.x]) {
      const int before = sum;
      sum += entries;
      entries = before;
    }
    int* count = &(threadIdx.x == 0 ? work.tile_counts : work.element_counts)[block];
    maps.first[threadIdx.x] = sum == 0 ? 0 : atomicAdd(count, sum);
  }
  __syncthreads();
  if (mask == 0) return;
  const int list = by_element ? 1 : 0;
  const int64_t index = maps.first[list] + maps.entries[list][warp] + __popc(votes[list] & ((1u << lane) - 1));
  const int64_t entry = block * work.capacity + (by_element ? work.capacity - 1 - index : index);
  work.pixels[entry] = pixel;
  work.masks[entry] = mask;
}

template <bool kHalf>
__global__ void __launch_bounds__(kThreads, 3) predict_zeros(const Convolution conv, const PatternTable pattern,
                                                             const Predictor predictor, const RemainingWork work) {
  __shared__ Maps maps;
  const int row_windows = (conv.out_height + kRows - 1) / kRows;
  const int column_windows = (conv.out_width + kColumns - 1) / kColumns;
  const int block = blockIdx.x % conv.blocks;
  int window = blockIdx.x / conv.blocks;
  Place place;
  place.column = window % column_windows * kColumns;
  window /= column_windows;
  place.row = window % row_windows * kRows;
  const int image = window / row_windows;
  place.channel = block / conv.group_blocks * conv.group_out_channels + block % conv.group_blocks * kBlockChannels;
  place.channels = min(kBlockChannels, conv.group_out_channels - block % conv.group_blocks * kBlockChannels);
  const int all_channels = conv.group * conv.group_out_channels;
  place.y_image = static_cast<int64_t>(image) * conv.out_height * conv.out_width * all_channels;

  const int warp = threadIdx.x / 32;
  const int channel = warp % kHalves * 32 + threadIdx.x % 32;
  float parameters[kPredictorParameters];
#pragma unroll
  for (int i = 0; i < kPredictorParameters; ++i) {
    parameters[i] = channel < place.channels
                        ? __ldg(&predictor.parameters[static_cast<int64_t>(i) * all_channels + place.channel + channel])
                        : 0;
  }
  if (channel >= place.channels) parameters[20] = HUGE_VALF;  // none is computed
  for (int at = threadIdx.x; at < kKnown; at += kThreads) {
    const int row = place.row - 2 + at / kKnownColumns;
    const int column = place.column - 2 + at % kKnownColumns;
    int pixel = kOutside;
    if (static_cast<unsigned>(row) < static_cast<unsigned>(conv.out_height) &&
        static_cast<unsigned>(column) < static_cast<unsigned>(conv.out_width)) {
      const bool in_pattern =
          pattern.tile[static_cast<int64_t>(row % pattern.rows) * pattern.columns + column % pattern.columns] != 0;
      pixel = row * conv.out_width + column;
      if (!in_pattern) pixel = -2 - pixel;
    }
    maps.pixels[at] = pixel;
  }
  __syncthreads();
  load_known<kHalf>(conv, place, maps);
  __syncthreads();
  predict(conv, place, warp / kHalves * kBand, channel, parameters, maps);
  __syncthreads();
  write_zeros<kHalf>(conv, place, maps);
  uint64_t mask = 0;
  int pixel = 0;
  if (threadIdx.x < kPixels && maps.pixels[known_of(threadIdx.x)] < kOutside) {
    pixel = -2 - maps.pixels[known_of(threadIdx.x)];
    mask = maps.masks[threadIdx.x][0] | uint64_t{maps.masks[threadIdx.x][1]} << 32;
  }
  append(work, block, image * conv.out_height * conv.out_width + pixel, mask, maps);
}

}  // namespace

cudaError_t load_prediction_kernel(int half) {
  cudaFuncAttributes attributes;
  return cudaFuncGetAttributes(&attributes, half ? predict_zeros<true> : predict_zeros<false>);
}

cudaError_t launch_prediction(const Convolution& conv, const PatternTable& pattern, const Predictor& predictor,
                              const RemainingWork& work, cudaStream_t stream) {
  const int64_t windows = static_cast<int64_t>(conv.batch) * ((conv.out_height + kRows - 1) / kRows) *
                          ((conv.out_width + kColumns - 1) / kColumns);
  return launch(conv.y.half ? predict_zeros<true> : predict_zeros<false>, windows * conv.blocks, kThreads, stream, conv,
                pattern, predictor, work);
}

}  // namespace zaponnx::cuda
