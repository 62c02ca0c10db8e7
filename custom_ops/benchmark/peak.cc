#include "benchmark/peak.h"

#include <chrono>
#include <cstring>
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "benchmark/team.h"

namespace zaponnx {
namespace {

constexpr int kSteps = 100'000;
constexpr int kChains = 12;  // latency times throughput is 8 to 10 on x86; ARM cores with four pipes would take 16

// Independent chains of FMAs; the result is written so that nothing is optimised away.
#define ZAPONNX_FMA_CHAINS(Vector, load, fma, store)                           \
  Vector chain[kChains];                                                       \
  _Pragma("GCC unroll 12") for (int i = 0; i < kChains; ++i) chain[i] = load;  \
  const Vector factor = chain[0];                                              \
  for (int step = 0; step < kSteps; ++step) {                                  \
    _Pragma("GCC unroll 12") for (int i = 0; i < kChains; ++i) chain[i] = fma; \
    asm volatile("" ::: "memory");                                             \
  }                                                                            \
  _Pragma("GCC unroll 12") for (int i = 0; i < kChains; ++i) store

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) void chains_avx2(float* out) {
  ZAPONNX_FMA_CHAINS(__m256, _mm256_loadu_ps(out + 8 * i), _mm256_fmadd_ps(chain[i], factor, factor),
                     _mm256_storeu_ps(out + 8 * i, chain[i]));
}
__attribute__((target("avx512f"))) void chains_avx512(float* out) {
  ZAPONNX_FMA_CHAINS(__m512, _mm512_loadu_ps(out + 16 * i), _mm512_fmadd_ps(chain[i], factor, factor),
                     _mm512_storeu_ps(out + 16 * i, chain[i]));
}
#elif defined(__aarch64__)
void chains_neon(float* out) {
  ZAPONNX_FMA_CHAINS(float32x4_t, vld1q_f32(out + 4 * i), vfmaq_f32(factor, chain[i], factor),
                     vst1q_f32(out + 4 * i, chain[i]));
}
#endif

struct Chains {
  const char* isa;
  int lanes;
  void (*run)(float*);
};
constexpr Chains kAll[] = {
#if defined(__x86_64__)
    {"avx2", 8, chains_avx2},
    {"avx512", 16, chains_avx512},
#elif defined(__aarch64__)
    {"neon", 4, chains_neon},
#endif
};

}  // namespace

double peak_gmacs(const char* isa, const Team& team) {
  for (const Chains& chains : kAll) {
    if (std::strcmp(chains.isa, isa) != 0) continue;
    const auto start = std::chrono::steady_clock::now();
    team(team.threads(), [&](size_t) {
      alignas(64) float out[16 * kChains] = {};
      chains.run(out);
    });
    const double time = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return static_cast<double>(kSteps) * kChains * chains.lanes * team.threads() / time * 1e-9;
  }
  return 0;
}

}  // namespace zaponnx
