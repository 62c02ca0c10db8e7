// What cuda/intrinsics.h has in assembly, by way of the emulated warps.
#pragma once

#include <cstdint>

#include "cuda/emulation/runtime.h"
#include "cuda/half.h"

namespace zaponnx::cuda {

namespace emulation {

// Of the running fiber.
void begin_copy(uint4* shared, const void* global, bool valid);
void commit();
void finish_copies(int pending);

}  // namespace emulation

inline void copy_async(uint4* shared, const void* global, bool valid) { emulation::begin_copy(shared, global, valid); }
inline void commit_copies() { emulation::commit(); }
template <int kPending>
void wait_for_copies() {
  emulation::finish_copies(kPending);
}

void load_matrices(uint32_t (&words)[4], const uint4* row);
void multiply_half(float* sums, const uint32_t (&a)[4], uint32_t b0, uint32_t b1);
void multiply_tf32(float* sums, const uint32_t (&a)[4], uint32_t b0, uint32_t b1);

inline uint32_t rounded_to_tf32(uint32_t value) { return float_bits(round_to_tf32(bits_float(value))); }
inline uint16_t to_half(float value) { return half_of_float(value); }
inline float from_half(uint16_t half) { return float_of_half(half); }

template <typename... Parameters, typename... Arguments>
cudaError_t launch(void (*kernel)(Parameters...), int64_t blocks, int threads, cudaStream_t, Arguments... arguments) {
  if (emulation::settings().failure == cudaSuccess) emulation::run(blocks, threads, [=] { kernel(arguments...); });
  return emulation::settings().failure;
}

}  // namespace zaponnx::cuda
