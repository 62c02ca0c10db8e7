// The sums of a tile, 64 channels x 128 (or 64, or 32) pixels, spread over the registers of 128 threads, and how a
// chunk of K is added to them from shared memory. One layout there serves all products: rows of four vectors of 16
// bytes along K, those of row r permuted by (r / 2) % 4, so that the eight rows which ldmatrix or a quarter of a warp
// reads at a time fall into different banks.
//   - plain: a thread sums up to 8 x 8 outputs by FMA, reading four values of K at a time;
//   - split, TF32, float16: four warps of mma.m16n8, fragments by ldmatrix, 32 bytes of K at a time.
#pragma once

#include "cuda/device.h"

namespace zaponnx::cuda {

constexpr int kTileThreads = 128;

// Of a multiprocessor, for __launch_bounds__: as many as the registers allow without spills.
constexpr int blocks_at_once(int tile_pixels, int large, int medium) {
  return tile_pixels == kLargeTile ? large : tile_pixels == kMediumTile ? medium : 5;
}

// Of a vector in shared memory.
__device__ __forceinline__ int place(int row, int vector) { return row * kChunkVectors + (vector ^ (row >> 1 & 3)); }

// Sums by FMA: thread (y, x) has channels y + kRows * i and pixels x + kColumns * j.
template <int kPixels>
struct PlainSums {
  static constexpr int kBytes = 4;  // of an operand's element
  static constexpr bool kSplits = false;
  static constexpr int kColumns = kPixels >= 128 ? 16 : 8;
  static constexpr int kRows = kTileThreads / kColumns;
  static constexpr int kHeight = kBlockChannels / kRows;
  static constexpr int kWidth = kPixels / kColumns;
  static constexpr int kCount = kHeight * kWidth;
  static constexpr int kBlocksAtOnce = blocks_at_once(kPixels, 3, 4);

  float sums[kCount];

  __device__ __forceinline__ void add(const uint4* weights, const uint4* windows) {
    const int x = threadIdx.x % kColumns;
    const int y = threadIdx.x / kColumns;
#pragma unroll 1  // else the next vectors are read ahead, into more registers than there are
    for (int vector = 0; vector < kChunkVectors; ++vector) {
      float4 right[kWidth];
#pragma unroll
      for (int j = 0; j < kWidth; ++j) {
        right[j] = reinterpret_cast<const float4&>(windows[place(x + kColumns * j, vector)]);
      }
#pragma unroll
      for (int i = 0; i < kHeight; ++i) {
        const float4 left = reinterpret_cast<const float4&>(weights[place(y + kRows * i, vector)]);
#pragma unroll
        for (int j = 0; j < kWidth; ++j) {
          float& sum = sums[i * kWidth + j];
          sum += left.x * right[j].x;
          sum += left.y * right[j].y;
          sum += left.z * right[j].z;
          sum += left.w * right[j].w;
        }
      }
    }
  }

  // Calls visit(channel, pixel, sum) for each.
  template <typename Visit>
  __device__ __forceinline__ void each(const Visit& visit) const {
    const int x = threadIdx.x % kColumns;
    const int y = threadIdx.x / kColumns;
#pragma unroll
    for (int i = 0; i < kCount; ++i) visit(y + kRows * (i / kWidth), x + kColumns * (i % kWidth), sums[i]);
  }
};

// Sums on tensor cores: warps 2 x 2, each 32 channels x half of the pixels, in fragments of 16 x 8.
template <int kPixels, Products kProducts>
struct TensorSums {
  static constexpr int kBytes = kProducts == Products::kHalf ? 2 : 4;
  static constexpr bool kSplits = kProducts == Products::kSplit;
  static constexpr int kHeight = 2;  // fragments
  static constexpr int kWidth = kPixels / 16;
  static constexpr int kCount = kHeight * kWidth * 4;
  static constexpr int kSteps = kChunkVectors / 2;
  static constexpr int kBlocksAtOnce = kSplits ? blocks_at_once(kPixels, 2, 3) : blocks_at_once(kPixels, 3, 4);

  float sums[kCount];

  // Channels 0-7, 8-15 of the step's first vector, then of its second.
  static __device__ __forceinline__ void load_left(uint32_t (&words)[4], const uint4* weights, int i, int step) {
    const int lane = threadIdx.x % 32;
    load_matrices(words, &weights[place(threadIdx.x / 64 * 32 + 16 * i + lane % 16, 2 * step + lane / 16)]);
  }

  // Pixels 0-7 of both vectors, then 8-15.
  static __device__ __forceinline__ void load_right(uint32_t (&words)[4], const uint4* windows, int j, int step) {
    const int lane = threadIdx.x % 32;
    const int pixel = threadIdx.x / 32 % 2 * (kPixels / 2) + 8 * j + lane / 16 * 8 + lane % 8;
    load_matrices(words, &windows[place(pixel, 2 * step + lane / 8 % 2)]);
  }

  __device__ __forceinline__ void add(const uint4* weights, const uint4* windows) {
    kSplits ? add_split(weights, windows) : add_rounded(weights, windows);
  }

  __device__ __forceinline__ void add_rounded(const uint4* weights, const uint4* windows) {
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      uint32_t left[kHeight][4];
#pragma unroll
      for (int i = 0; i < kHeight; ++i) load_left(left[i], weights, i, step);
#pragma unroll
      for (int j = 0; j < kWidth; j += 2) {
        uint32_t right[4];
        load_right(right, windows, j, step);
        if (kProducts == Products::kTf32) {
#pragma unroll
          for (uint32_t& word : right) word = rounded_to_tf32(word);
        }
#pragma unroll
        for (int i = 0; i < kHeight; ++i) {
#pragma unroll
          for (int half = 0; half < 2; ++half) {
            float* fragment = &sums[(i * kWidth + j + half) * 4];
            if (kProducts == Products::kHalf) {
              multiply_half(fragment, left[i], right[2 * half], right[2 * half + 1]);
            } else {
              multiply_tf32(fragment, left[i], right[2 * half], right[2 * half + 1]);
            }
          }
        }
      }
    }
  }

  // To 11 significant bits, and what that leaves, exactly, of which tensor cores read 11, too.
  static __device__ __forceinline__ void split(const uint32_t (&words)[4], uint32_t (&high)[4], uint32_t (&low)[4]) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      high[i] = (words[i] + 0x1000) & 0xffffe000;
      low[i] = __float_as_uint(__uint_as_float(words[i]) - __uint_as_float(high[i]));
    }
  }

  // The products of both parts but that of low and low. Tensor cores cut what they add to, rather than round it, so
  // they add up a chunk by itself.
  __device__ __forceinline__ void add_split(const uint4* weights, const uint4* windows) {
    float chunk[kCount] = {};
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      uint32_t left_high[kHeight][4];
      uint32_t left_low[kHeight][4];
#pragma unroll
      for (int i = 0; i < kHeight; ++i) {
        uint32_t words[4];
        load_left(words, weights, i, step);
        split(words, left_high[i], left_low[i]);
      }
#pragma unroll
      for (int j = 0; j < kWidth; j += 2) {
        uint32_t words[4], high[4], low[4];
        load_right(words, windows, j, step);
        split(words, high, low);
        // One product after the other, so that the next sum does not wait for the last.
#pragma unroll
        for (int product = 0; product < 3; ++product) {
          const auto& left = product == 0 ? left_low : left_high;
          const auto& right = product == 1 ? low : high;
#pragma unroll
          for (int i = 0; i < kHeight; ++i) {
#pragma unroll
            for (int half = 0; half < 2; ++half) {
              multiply_tf32(&chunk[(i * kWidth + j + half) * 4], left[i], right[2 * half], right[2 * half + 1]);
            }
          }
        }
      }
    }
#pragma unroll
    for (int i = 0; i < kCount; ++i) sums[i] += chunk[i];
  }

  template <typename Visit>
  __device__ __forceinline__ void each(const Visit& visit) const {
    const int lane = threadIdx.x % 32;
    const int channel = threadIdx.x / 64 * 32 + lane / 4;
    const int pixel = threadIdx.x / 32 % 2 * (kPixels / 2) + lane % 4 * 2;
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const int fragment = i / 4;
      visit(channel + fragment / kWidth * 16 + i % 4 / 2 * 8, pixel + fragment % kWidth * 8 + i % 2, sums[i]);
    }
  }
};

}  // namespace zaponnx::cuda
