#include <cstdlib>
#include <stdexcept>

#include "kernels/kernel.h"
#include "kernels/reference/reference.h"
#include "kernels/two_path/two_path.h"
#include "kernels/winograd/winograd.h"

namespace zaponnx {
namespace {

bool always() { return true; }

#if defined(__x86_64__)
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}
#endif

template <const VectorKernels& Kernels>
std::unique_ptr<PreparedLayer> prepare(const LayerAttributes& attributes, const LayerWeights& weights) {
  // Of a depthwise layer, each input channel would fill one lane of a vector: 960 maps of 56 x 56 took 1.6 times as
  // long.
  if (weights.shape[1] == 1 && attributes.group > 1) return prepare_reference(attributes, weights);
  if (suits_winograd(attributes, weights)) return prepare_winograd(Kernels, attributes, weights);
  return prepare_two_path(Kernels, attributes, weights);
}

}  // namespace

const std::vector<Kernel>& kernel_list() {
  static const std::vector<Kernel> kernels{
#if defined(__x86_64__)
      {"avx512", has_avx512, prepare<kAvx512Kernels>},
      {"avx2", has_avx2, prepare<kAvx2Kernels>},
#elif defined(__aarch64__)
      {"neon", always, prepare<kNeonKernels>},  // part of the architecture
#endif
      {"scalar", always, prepare_reference},
  };
  return kernels;
}

const Kernel& select_kernel() {
  const char* wanted = std::getenv("ZAPONNX_ISA");
  std::string names;
  for (const Kernel& kernel : kernel_list()) {
    if (wanted == nullptr || *wanted == '\0') {
      if (kernel.supported()) return kernel;
    } else if (kernel.name == std::string(wanted)) {
      if (kernel.supported()) return kernel;
      throw std::invalid_argument("ZAPONNX_ISA asks for '" + std::string(wanted) +
                                  "', which this machine's processor does not support.");
    }
    names += (names.empty() ? "" : ", ") + std::string(kernel.name);
  }
  throw std::invalid_argument("ZAPONNX_ISA asks for '" + std::string(wanted ? wanted : "") +
                              "', which this build does not have; it has " + names + ".");
}

}  // namespace zaponnx
