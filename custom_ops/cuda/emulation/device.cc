// The emulated runtime's functions, and the tensor cores' instructions.
#include <cstdlib>

#include "cuda/emulation/intrinsics.h"

namespace zaponnx::cuda {
namespace {

struct Multiplication {
  float* sums;
  uint32_t a[4], b[2];
};

// Of an operand's 32-bit word: of two halfs the one at `index`, or what tensor cores read of a float.
float value_of(uint32_t word, int index, bool half) {
  return half ? float_of_half(static_cast<uint16_t>(word >> 16 * index)) : bits_float(word & 0xffffe000);
}

// sums[16 x 8] += a[16 x K] b[K x 8] with K = 16 halfs or 8 floats. Lane l holds, with g = l / 4 and t = l % 4, the
// words a[g][t], a[g + 8][t], a[g][t + 4], a[g + 8][t + 4], b[t][g], b[t + 4][g] (words along K), and the sums of row g
// (then g + 8), columns 2t and 2t + 1.
void multiply(void* const (&lanes)[32], bool half) {
  const int per_word = half ? 2 : 1;
  for (int lane = 0; lane < 32; ++lane) {
    for (int i = 0; i < 4; ++i) {
      const int row = lane / 4 + i / 2 * 8;
      const int column = lane % 4 * 2 + i % 2;
      float sum = static_cast<Multiplication*>(lanes[lane])->sums[i];
      for (int word = 0; word < 8; ++word) {
        const auto& left = *static_cast<Multiplication*>(lanes[row % 8 * 4 + word % 4]);
        const auto& right = *static_cast<Multiplication*>(lanes[column * 4 + word % 4]);
        for (int k = 0; k < per_word; ++k) {
          sum += value_of(left.a[row / 8 + word / 4 * 2], k, half) * value_of(right.b[word / 4], k, half);
        }
      }
      static_cast<Multiplication*>(lanes[lane])->sums[i] = sum;
    }
  }
}

}  // namespace

void load_matrices(uint32_t (&words)[4], const uint4* row) {
  struct Load {
    const uint4* row;
    uint32_t* words;
  } mine{row, words};
  static const char kind = 0;
  emulation::wait_for_warp(&kind, &mine, [](void* const(&lanes)[32]) {
    for (int lane = 0; lane < 32; ++lane) {
      for (int matrix = 0; matrix < 4; ++matrix) {
        uint32_t words[4];
        std::memcpy(words, static_cast<Load*>(lanes[matrix * 8 + lane / 4])->row, sizeof words);
        static_cast<Load*>(lanes[lane])->words[matrix] = words[lane % 4];
      }
    }
  });
}

void multiply_half(float* sums, const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  Multiplication mine{sums, {a[0], a[1], a[2], a[3]}, {b0, b1}};
  static const char kind = 0;
  emulation::wait_for_warp(&kind, &mine, [](void* const(&lanes)[32]) { multiply(lanes, true); });
}

void multiply_tf32(float* sums, const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  Multiplication mine{sums, {a[0], a[1], a[2], a[3]}, {b0, b1}};
  static const char kind = 0;
  emulation::wait_for_warp(&kind, &mine, [](void* const(&lanes)[32]) { multiply(lanes, false); });
}

}  // namespace zaponnx::cuda

using zaponnx::cuda::emulation::settings;

cudaError_t cudaMalloc(void** data, size_t bytes) {
  if (settings().failure != cudaSuccess) return settings().failure;
  return posix_memalign(data, 256, bytes) == 0 ? cudaSuccess : cudaErrorMemoryAllocation;
}
cudaError_t cudaFree(void* data) {
  std::free(data);
  return settings().failure;
}
cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind) {
  std::memcpy(to, from, bytes);
  return settings().failure;
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t) {
  return cudaMemcpy(to, from, bytes, kind);
}
cudaError_t cudaStreamSynchronize(cudaStream_t) { return settings().failure; }
cudaError_t cudaGetDevice(int* device) {
  *device = settings().device;
  return settings().failure;
}
cudaError_t cudaGetDeviceCount(int* count) {
  *count = static_cast<int>(settings().architectures.size());
  return settings().failure;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  const int architecture = settings().architectures[device];
  *value = attribute == cudaDevAttrMultiProcessorCount      ? settings().multiprocessors
           : attribute == cudaDevAttrComputeCapabilityMajor ? architecture / 10
                                                            : architecture % 10;
  return settings().failure;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  properties->major = settings().architectures[device] / 10;
  properties->minor = settings().architectures[device] % 10;
  return settings().failure;
}
cudaError_t cudaGetLastError() { return settings().failure; }
const char* cudaGetErrorString(cudaError_t) { return "emulated error"; }
