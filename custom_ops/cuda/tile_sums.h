// The sums of a tile, 64 channels x 128 (or 32) pixels, spread over the registers of 128 threads, and how a chunk of K
// is added to them from shared memory. One layout there serves all precisions: rows of four vectors of 16 bytes along
// K, those of row r permuted by (r / 2) % 4, so that the eight rows which ldmatrix or a quarter of a warp reads at a
// time fall into different banks.
//   - strict: a thread sums 8 x 8 (4 x 4) outputs by FMA, reading four values of K at a time;
//   - TF32, float16: four warps of mma.m16n8, fragments by ldmatrix, in both types 32 bytes of K at a time.
#pragma once

#include "cuda/device.h"

namespace zaponnx::cuda {

constexpr int kTileThreads = 128;

// Of a vector in shared memory.
__device__ __forceinline__ int place(int row, int vector) { return row * kChunkVectors + (vector ^ (row >> 1 & 3)); }

// Sums by FMA: thread (y, x) has channels y + kRows * i and pixels x + kColumns * j.
template <int kPixels>
struct StrictSums {
  static constexpr int kBytes = 4;  // of an operand's element
  static constexpr int kColumns = kPixels >= 128 ? 16 : 8;
  static constexpr int kRows = kTileThreads / kColumns;
  static constexpr int kHeight = kBlockChannels / kRows;
  static constexpr int kWidth = kPixels / kColumns;
  static constexpr int kCount = kHeight * kWidth;

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
template <int kPixels, bool kHalf>
struct TensorSums {
  static constexpr int kBytes = kHalf ? 2 : 4;
  static constexpr int kHeight = 2;  // fragments
  static constexpr int kWidth = kPixels / 16;
  static constexpr int kCount = kHeight * kWidth * 4;

  float sums[kCount];

  __device__ __forceinline__ void add(const uint4* weights, const uint4* windows) {
    const int lane = threadIdx.x % 32;
    const int first_channel = threadIdx.x / 64 * 32;
    const int first_pixel = threadIdx.x / 32 % 2 * (kPixels / 2);
#pragma unroll
    for (int step = 0; step < kChunkVectors; step += 2) {
      uint32_t left[kHeight][4];
#pragma unroll
      for (int i = 0; i < kHeight; ++i) {
        // Channels 0-7, 8-15 of the first vector, then of the second.
        load_matrices(left[i], &weights[place(first_channel + 16 * i + lane % 16, step + lane / 16)]);
      }
#pragma unroll
      for (int j = 0; j < kWidth; j += 2) {
        // Pixels 0-7 of both vectors, then 8-15.
        uint32_t right[4];
        load_matrices(right, &windows[place(first_pixel + 8 * j + lane / 16 * 8 + lane % 8, step + lane / 8 % 2)]);
        if (!kHalf) {
#pragma unroll
          for (uint32_t& word : right) word = rounded_to_tf32(word);
        }
#pragma unroll
        for (int i = 0; i < kHeight; ++i) {
#pragma unroll
          for (int half = 0; half < 2; ++half) {
            float* fragment = &sums[(i * kWidth + j + half) * 4];
            if (kHalf) {
              multiply_half(fragment, left[i], right[2 * half], right[2 * half + 1]);
            } else {
              multiply_tf32(fragment, left[i], right[2 * half], right[2 * half + 1]);
            }
          }
        }
      }
    }
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
