// CUDA on the host, for tests on machines without a GPU: the .cu files compile as C++ and run thread by thread.
//
// A thread of a block is a fiber; __syncthreads and the warps' collectives switch to the next. What depends on timing
// on a GPU is made as bad as the programming model allows: the order of the fibers and of the blocks can be changed
// (results must not), cp.async fills its target with NaNs at once and with data only when it is waited for, and a
// barrier that some thread never reaches aborts. Device memory is the heap's, so the address sanitizer sees wrong
// indices. It shows what the code means, not how a GPU runs it: the fragments of mma and ldmatrix follow the PTX manual
// as its author read it, and nothing of speed or of the memory model is shown.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __shared__ static  // one block runs at a time
#define __align__(bytes) __attribute__((aligned(bytes)))

struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct alignas(16) float4 {
  float x, y, z, w;
};

using cudaStream_t = void*;
enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInsufficientDriver = 35,
  cudaErrorDevicesUnavailable = 46,
  cudaErrorStubLibrary = 34,
  cudaErrorInvalidDeviceFunction = 98,
  cudaErrorNoDevice = 100,
  cudaErrorNoKernelImageForDevice = 209,
  cudaErrorUnsupportedPtxVersion = 222,
  cudaErrorSystemDriverMismatch = 803
};
enum cudaMemcpyKind { cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost };
enum cudaDeviceAttr {
  cudaDevAttrMultiProcessorCount,
  cudaDevAttrComputeCapabilityMajor,
  cudaDevAttrComputeCapabilityMinor
};
struct cudaFuncAttributes {};
struct cudaDeviceProp {
  char name[32] = "emulation";
  int major = 0, minor = 0;
};

namespace zaponnx::cuda::emulation {

enum class Order { kForward, kBackward, kShuffled };

struct Settings {
  Order order = Order::kForward;
  int multiprocessors = 4;
  int blocks_at_once = 2;
  std::vector<int> architectures{90};  // of the GPUs
  int device = 0;                      // the current one
  cudaError_t failure = cudaSuccess;   // what all calls of the runtime return

  // What loading a kernel returns: there is code for sm_75 and later.
  cudaError_t loaded() const {
    return failure == cudaSuccess && architectures[device] < 75 ? cudaErrorNoKernelImageForDevice : failure;
  }
};
// At first without failure, or with that of ZAPONNX_EMULATED_FAILURE, a number.
Settings& settings();

struct Index {
  unsigned x;
};
// Of the running fiber.
struct Thread {
  Index thread, block, threads, blocks;
};
const Thread& thread();

// Switches to the other fibers until all of the block (of the warp) have come here; the last of a warp calls `act`
// first, with what all its lanes gave.
void wait_for_block();
void wait_for_warp(const void* kind, void* mine, const std::function<void(void* const (&lanes)[32])>& act);

// Runs `kernel` for all threads of all blocks.
void run(int64_t blocks, int threads, const std::function<void()>& kernel);

}  // namespace zaponnx::cuda::emulation

#define threadIdx (::zaponnx::cuda::emulation::thread().thread)
#define blockIdx (::zaponnx::cuda::emulation::thread().block)
#define blockDim (::zaponnx::cuda::emulation::thread().threads)
#define gridDim (::zaponnx::cuda::emulation::thread().blocks)

inline void __syncthreads() { ::zaponnx::cuda::emulation::wait_for_block(); }
inline void __threadfence() {}
inline int __syncthreads_or(int vote) {
  static int any;
  __syncthreads();
  any = 0;
  __syncthreads();
  any |= vote;
  __syncthreads();
  return any;
}

inline unsigned __ballot_sync(unsigned, bool vote) {
  struct Vote {
    bool vote;
    unsigned result;
  } mine{vote, 0};
  static const char kind = 0;
  ::zaponnx::cuda::emulation::wait_for_warp(&kind, &mine, [](void* const(&lanes)[32]) {
    unsigned result = 0;
    for (int i = 0; i < 32; ++i) result |= unsigned{static_cast<Vote*>(lanes[i])->vote} << i;
    for (void* lane : lanes) static_cast<Vote*>(lane)->result = result;
  });
  return mine.result;
}

inline float __shfl_xor_sync(unsigned, float value, int distance) {
  struct Exchange {
    float value, result;
    int distance;
  } mine{value, 0, distance};
  static const char kind = 0;
  ::zaponnx::cuda::emulation::wait_for_warp(&kind, &mine, [](void* const(&lanes)[32]) {
    for (int i = 0; i < 32; ++i) {
      auto& lane = *static_cast<Exchange*>(lanes[i]);
      lane.result = static_cast<Exchange*>(lanes[i ^ lane.distance])->value;
    }
  });
  return mine.result;
}

inline int __popc(unsigned bits) { return __builtin_popcount(bits); }
inline int __popcll(unsigned long long bits) { return __builtin_popcountll(bits); }
inline int __ffsll(long long bits) { return __builtin_ffsll(bits); }
inline int atomicAdd(int* address, int value) {
  const int before = *address;
  *address += value;
  return before;
}
template <typename T>
T __ldg(const T* address) {
  return *address;
}
template <typename T>
T __ldcg(const T* address) {
  return *address;
}
template <typename T>
void __stcg(T* address, T value) {
  *address = value;
}
inline float __uint_as_float(unsigned bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
inline unsigned __float_as_uint(float value) {
  unsigned bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}
inline int min(int a, int b) { return a < b ? a : b; }
inline int max(int a, int b) { return a > b ? a : b; }

cudaError_t cudaMalloc(void** data, size_t bytes);
cudaError_t cudaFree(void* data);
cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind);
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaGetDevice(int* device);
cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device);
cudaError_t cudaGetLastError();
const char* cudaGetErrorString(cudaError_t error);

template <typename Kernel>
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes*, Kernel) {
  return zaponnx::cuda::emulation::settings().loaded();
}
template <typename Kernel>
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, Kernel, int, size_t) {
  *blocks = zaponnx::cuda::emulation::settings().blocks_at_once;
  return zaponnx::cuda::emulation::settings().loaded();
}
