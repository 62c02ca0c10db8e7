// ONNX Runtime's C++ API, initialised by RegisterCustomOps rather than at load time.
#pragma once

#define ORT_API_MANUAL_INIT
#include <onnxruntime_cxx_api.h>
#undef ORT_API_MANUAL_INIT

namespace zaponnx {

// Has all that we call and is part of every later ORT, so that one build runs on all of them. Tried on 1.20.1
// to 1.32.0.
constexpr uint32_t kApiVersion = 18;

}  // namespace zaponnx
