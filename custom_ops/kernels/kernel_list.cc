#include <cstdlib>
#include <stdexcept>

#include "kernels/kernel.h"
#include "kernels/reference/reference.h"
#include "kernels/two_path/two_path.h"

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

}  // namespace

const std::vector<Kernel>& kernel_list() {
  static const std::vector<Kernel> kernels{
#if defined(__x86_64__)
      {"avx512", has_avx512, prepare_two_path_avx512},
      {"avx2", has_avx2, prepare_two_path_avx2},
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
