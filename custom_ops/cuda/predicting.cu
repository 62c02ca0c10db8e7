// Both depthwise convolutions of the predictor, the decision, and the compaction of what is left to do, in one pass
// over Y: nothing of S, the hidden map or V is ever in device memory.
//
// A block has a window of 8 x 16 pixels and a block of 64 channels, 16 at a time. It reads Y with a border of 2 where
// the pattern is, and writes, for each pixel outside the pattern, zeros for the channels that need no computing and a
// 64-bit mask of the others to one of two lists: of the pixels that the tiles take with all channels, and of those of
// which single outputs are computed. A list is filled in any order, block by block; no result depends on it.
#include "cuda/device.h"
#include "cuda/kernels.h"

namespace zaponnx::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kRows = 8;
constexpr int kColumns = 16;
constexpr int kPixels = kRows * kColumns;
constexpr int kChannels = 16;
// Maps with a border; odd pitches, so that neighbouring channels fall into different banks.
constexpr int kKnownColumns = kColumns + 4;
constexpr int kKnown = (kRows + 4) * kKnownColumns;
constexpr int kHiddenColumns = kColumns + 2;
constexpr int kHidden = (kRows + 2) * kHiddenColumns;

struct Maps {
  float known[kChannels][kKnown + 1];
  float hidden[kChannels][kHidden + 1];
  float parameters[kChannels * kPredictorParameters];
  uint8_t in_pattern[kKnown];  // 0 outside Y
  unsigned masks[kPixels][kBlockChannels / 32];
  int entries[2][kThreads / 32];  // for tiles, for elements: of each warp
  int first[2];
};

struct Place {
  int row, column;  // of the window's first pixel in Y
  int channel;      // the block's first
  int channels;     // of the block
  int64_t y_image;  // the image's first element in Y
};

// bias + the 3 x 3 window at `map`, whose rows are `pitch` apart.
__device__ __forceinline__ float depthwise(const float* map, int pitch, const float* weights, float sum) {
#pragma unroll
  for (int row = 0; row < 3; ++row) {
#pragma unroll
    for (int column = 0; column < 3; ++column) sum += map[row * pitch + column] * weights[row * 3 + column];
  }
  return sum;
}

__device__ __forceinline__ int64_t y_index(const Convolution& conv, const Place& place, int channel, int row,
                                           int column) {
  const int64_t pixel = static_cast<int64_t>(row) * conv.out_width + column;
  const int64_t image_pixels = static_cast<int64_t>(conv.out_height) * conv.out_width;
  return place.y_image +
         (conv.y.nhwc ? pixel * (conv.group * conv.group_out_channels) + channel : channel * image_pixels + pixel);
}

// The masks' bits of the channels from `first` on.
__device__ __forceinline__ void predict(const Convolution& conv, const Predictor& predictor, const Place& place,
                                        int first, Maps& maps) {
  const int channels = min(kChannels, place.channels - first);
  for (int i = threadIdx.x; i < channels * kPredictorParameters; i += kThreads) {
    maps.parameters[i] = predictor.parameters[(place.channel + first) * kPredictorParameters + i];
  }
  for (int i = threadIdx.x; i < kChannels * kKnown; i += kThreads) {
    const int channel = conv.y.nhwc ? i % kChannels : i / kKnown;
    const int at = conv.y.nhwc ? i / kChannels : i % kKnown;
    if (channel >= channels) continue;
    float value = 0;
    if (maps.in_pattern[at]) {
      const int row = place.row - 2 + at / kKnownColumns;
      const int column = place.column - 2 + at % kKnownColumns;
      value = load(conv.y, y_index(conv, place, place.channel + first + channel, row, column));
    }
    maps.known[channel][at] = value;
  }
  __syncthreads();
  for (int i = threadIdx.x; i < channels * kHidden; i += kThreads) {
    const int channel = i / kHidden;
    const int row = i % kHidden / kHiddenColumns;
    const int column = i % kHidden % kHiddenColumns;
    const float* parameters = &maps.parameters[channel * kPredictorParameters];
    float value = 0;  // the second convolution's padding
    if (static_cast<unsigned>(place.row - 1 + row) < static_cast<unsigned>(conv.out_height) &&
        static_cast<unsigned>(place.column - 1 + column) < static_cast<unsigned>(conv.out_width)) {
      value = rectified(
          depthwise(&maps.known[channel][row * kKnownColumns + column], kKnownColumns, parameters, parameters[9]));
    }
    maps.hidden[channel][i % kHidden] = value;
  }
  __syncthreads();
  for (int i = threadIdx.x; i < channels * kPixels; i += kThreads) {
    const int channel = i / kPixels;
    const int row = i % kPixels / kColumns;
    const int column = i % kColumns;
    const float* parameters = &maps.parameters[channel * kPredictorParameters];
    const float value = depthwise(&maps.hidden[channel][row * kHiddenColumns + column], kHiddenColumns, parameters + 10,
                                  parameters[19]);
    if (!(value <= parameters[20])) {
      const int bit = first + channel;
      atomicOr(&maps.masks[i % kPixels][bit / 32], 1u << bit % 32);
    }
  }
  __syncthreads();
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

__global__ void __launch_bounds__(kThreads) predict_zeros(const Convolution conv, const PatternTable pattern,
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
  place.y_image = static_cast<int64_t>(image) * conv.out_height * conv.out_width * conv.group * conv.group_out_channels;

  for (int i = threadIdx.x; i < kKnown; i += kThreads) {
    const int row = place.row - 2 + i / kKnownColumns;
    const int column = place.column - 2 + i % kKnownColumns;
    const bool inside = static_cast<unsigned>(row) < static_cast<unsigned>(conv.out_height) &&
                        static_cast<unsigned>(column) < static_cast<unsigned>(conv.out_width);
    maps.in_pattern[i] =
        inside &&
        pattern.tile[static_cast<int64_t>(row % pattern.rows) * pattern.columns + column % pattern.columns] != 0;
  }
  for (int i = threadIdx.x; i < kPixels * (kBlockChannels / 32); i += kThreads) {
    maps.masks[i / (kBlockChannels / 32)][i % (kBlockChannels / 32)] = 0;
  }
  __syncthreads();
  for (int first = 0; first < place.channels; first += kChannels) predict(conv, predictor, place, first, maps);

  // Whether a pixel of the window is in Y and not in the pattern.
  auto predicted = [&](int pixel) {
    const int row = pixel / kColumns;
    const int column = pixel % kColumns;
    return place.row + row < conv.out_height && place.column + column < conv.out_width &&
           !maps.in_pattern[(row + 2) * kKnownColumns + column + 2];
  };
  for (int i = threadIdx.x; i < kPixels * kBlockChannels; i += kThreads) {
    const int pixel = conv.y.nhwc ? i / kBlockChannels : i % kPixels;
    const int channel = conv.y.nhwc ? i % kBlockChannels : i / kPixels;
    if (channel < place.channels && predicted(pixel) && !(maps.masks[pixel][channel / 32] >> channel % 32 & 1)) {
      store(
          conv.y,
          y_index(conv, place, place.channel + channel, place.row + pixel / kColumns, place.column + pixel % kColumns),
          0);
    }
  }
  const int pixel = threadIdx.x;
  uint64_t mask = 0;
  if (pixel < kPixels && predicted(pixel)) mask = maps.masks[pixel][0] | uint64_t{maps.masks[pixel][1]} << 32;
  const int place_in_image = (place.row + pixel / kColumns) * conv.out_width + place.column + pixel % kColumns;
  append(work, block, image * conv.out_height * conv.out_width + place_in_image, mask, maps);
}

}  // namespace

cudaError_t load_prediction_kernel() {
  cudaFuncAttributes attributes;
  return cudaFuncGetAttributes(&attributes, predict_zeros);
}

cudaError_t launch_prediction(const Convolution& conv, const PatternTable& pattern, const Predictor& predictor,
                              const RemainingWork& work, cudaStream_t stream) {
  const int64_t windows = static_cast<int64_t>(conv.batch) * ((conv.out_height + kRows - 1) / kRows) *
                          ((conv.out_width + kColumns - 1) / kColumns);
  return launch(predict_zeros, windows * conv.blocks, kThreads, stream, conv, pattern, predictor, work);
}

}  // namespace zaponnx::cuda
