// CUDA's runtime, or the test's emulation of it on the host.
#pragma once

#ifdef ZAPONNX_EMULATED_CUDA
#include "cuda/emulation/runtime.h"
#else
#include <cuda_runtime.h>
#endif
