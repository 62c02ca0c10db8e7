// RegisterCustomOps, the only symbol that the library exports: adds the domain "zaponnx" to a session's options.
#include <map>
#include <mutex>
#include <string>

#include "ort/zapconv_op.h"

namespace zaponnx {
namespace {

// Set on session options that have the domain: registering it twice would be an error in ORT.
constexpr const char* kRegisteredKey = "zaponnx.registered";
// Tells which kernels the session's nodes use.
constexpr const char* kIsaKey = "zaponnx.isa";

// The domain whose operators use a kernel. Sessions refer to it for as long as they live, and ORT may be unloaded
// before this library's destructors would run, so it is never destroyed.
OrtCustomOpDomain* domain_of(const Kernel& kernel) {
  static std::mutex mutex;
  static auto& domains = *new std::map<const Kernel*, Ort::CustomOpDomain>;
  const std::lock_guard lock(mutex);
  auto found = domains.find(&kernel);
  if (found == domains.end()) {
    Ort::CustomOpDomain domain("zaponnx");
    domain.Add(new ZapConvOp<false, Layout::kNchw>(kernel));
    domain.Add(new ZapConvOp<true, Layout::kNchw>(kernel));
    domain.Add(new ZapConvOp<false, Layout::kNhwc>(kernel));
    domain.Add(new ZapConvOp<true, Layout::kNhwc>(kernel));
    found = domains.emplace(&kernel, std::move(domain)).first;
  }
  return found->second;
}

void register_with(OrtSessionOptions* raw_options, const OrtApi& api) {
  int registered = 0;
  Ort::ThrowOnError(api.HasSessionConfigEntry(raw_options, kRegisteredKey, &registered));
  if (registered) return;
  const Kernel& kernel = select_kernel();
  Ort::UnownedSessionOptions options(raw_options);
  options.Add(domain_of(kernel));
  options.AddConfigEntry(kRegisteredKey, "1");
  options.AddConfigEntry(kIsaKey, kernel.name);
}

}  // namespace
}  // namespace zaponnx

extern "C" __attribute__((visibility("default"))) OrtStatus* ORT_API_CALL
RegisterCustomOps(OrtSessionOptions* options, const OrtApiBase* api_base) {
  const OrtApi* api = api_base->GetApi(zaponnx::kApiVersion);
  if (api == nullptr) {
    // No API to make a status with; API 1 is part of every ONNX Runtime.
    const std::string problem = std::string("zaponnx needs ONNX Runtime 1.20.1 or later; this is ") +
                                api_base->GetVersionString() + ". Install a newer onnxruntime.";
    return api_base->GetApi(1)->CreateStatus(ORT_FAIL, problem.c_str());
  }
  Ort::InitApi(api);
  try {
    zaponnx::register_with(options, *api);
    return nullptr;
  } catch (const std::exception& error) {
    return api->CreateStatus(ORT_FAIL, error.what());
  }
}
