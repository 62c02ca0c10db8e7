// ONNX Runtime's C++ API, initialised by RegisterCustomOps rather than at load time.
#pragma once

#define ORT_API_MANUAL_INIT
#include <onnxruntime_cxx_api.h>
#undef ORT_API_MANUAL_INIT

namespace zaponnx {

// The oldest API that has all we call (ORT 1.18); one build then runs on every later ORT.
constexpr uint32_t kApiVersion = 18;

}  // namespace zaponnx
