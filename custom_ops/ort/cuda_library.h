// The sibling library libzaponnx_cuda.so, loaded when it is first used: this library loads without it.
#pragma once

#include "cuda/zaponnx_cuda.h"

namespace zaponnx {

// Its functions, as in zaponnx_cuda.h.
struct CudaLibrary {
  decltype(&zaponnx_cuda_error) error;
  decltype(&zaponnx_cuda_device) device;
  decltype(&zaponnx_cuda_layer_create) layer_create;
  decltype(&zaponnx_cuda_layer_destroy) layer_destroy;
  decltype(&zaponnx_cuda_workspace_size) workspace_size;
  decltype(&zaponnx_cuda_run) run;
};

// Throws std::runtime_error with the path and a remedy if it does not load or is of another version.
const CudaLibrary& cuda_library();

// Whether it lies beside this library, loads, and finds a driver and a GPU that it can run on.
bool cuda_library_is_usable();

}  // namespace zaponnx
