// Ends the test program as skipped, with the reason, where there is no GPU.
#include <cstdio>
#include <cstdlib>

#include "cuda/zaponnx_cuda.h"

namespace {

const bool found = [] {
  char text[512];
  const bool works = zaponnx_cuda_device(text, sizeof text) == ZAPONNX_CUDA_OK;
  std::printf("%s%s\n", works ? "" : "skipped: ", text);
  if (!works) std::exit(77);
  return works;
}();

}  // namespace
