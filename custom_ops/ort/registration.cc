// RegisterCustomOps, the only symbol that the library exports: adds the domain "zaponnx" to a session's options.
#include "ort/zapconv_op.h"

namespace {

// Set on session options that have the domain, to the name of the kernel in use. Registering the domain twice would be
// an error in ORT, so options that have the entry are left as they are.
constexpr const char* kRegisteredKey = "zaponnx.isa";

}  // namespace

extern "C" __attribute__((visibility("default"))) OrtStatus* ORT_API_CALL
RegisterCustomOps(OrtSessionOptions* options, const OrtApiBase* api_base) {
  const OrtApi* api = api_base->GetApi(zaponnx::kApiVersion);
  if (api == nullptr) {
    // No API to make a status with; API 1 is part of every ONNX Runtime.
    const std::string problem = std::string("zaponnx needs ONNX Runtime 1.18 or later; this is ") +
                                api_base->GetVersionString() + ". Install a newer onnxruntime.";
    return api_base->GetApi(1)->CreateStatus(ORT_FAIL, problem.c_str());
  }
  Ort::InitApi(api);
  try {
    int registered = 0;
    Ort::ThrowOnError(api->HasSessionConfigEntry(options, kRegisteredKey, &registered));
    if (registered) return nullptr;
    const zaponnx::Kernel& kernel = zaponnx::select_kernel();
    // Sessions refer to these for as long as they live, so they live as long as the library, which is never unloaded.
    static const zaponnx::ZapConvOp<false> plain;
    static const zaponnx::ZapConvOp<true> with_residual;
    static const Ort::CustomOpDomain domain = [] {
      Ort::CustomOpDomain result("zaponnx");
      result.Add(&plain);
      result.Add(&with_residual);
      return result;
    }();
    Ort::UnownedSessionOptions session_options(options);
    session_options.Add(domain);
    session_options.AddConfigEntry(kRegisteredKey, kernel.name);
    return nullptr;
  } catch (const std::exception& error) {
    return api->CreateStatus(ORT_FAIL, error.what());
  }
}
