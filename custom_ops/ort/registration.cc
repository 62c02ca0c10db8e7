// RegisterCustomOps, the only symbol that the library exports: adds the domain "zaponnx" to a session's options.
#include <algorithm>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "ort/zapconv_cuda_op.h"
#include "ort/zapconv_op.h"

namespace zaponnx {
namespace {

// Set on session options that have the domain: registering it twice would be an error in ORT.
constexpr const char* kRegisteredKey = "zaponnx.registered";
// Tells which kernels the session's nodes use.
constexpr const char* kIsaKey = "zaponnx.isa";

// Tells whether the nodes have kernels for CUDA in a session on it: "yes" or "no".
constexpr const char* kCudaKey = "zaponnx.cuda";
// Asks, before registration, for the precision of the products on CUDA; see precision_named.
constexpr const char* kPrecisionKey = "zaponnx.cuda.precision";

int precision_named(const std::string& name) {
  if (name == "float32") return ZAPONNX_CUDA_PRECISION_FLOAT32;
  if (name == "tf32") return ZAPONNX_CUDA_PRECISION_TF32;
  if (name == "float16") return ZAPONNX_CUDA_PRECISION_FLOAT16;
  throw std::invalid_argument(std::string("the session's entry ") + kPrecisionKey + " is '" + name +
                              "'; it must be 'float32', 'tf32' or 'float16'.");
}

// Whether operators are registered for CUDA: where they are, a session on it has no others. Asked once, since it starts
// the driver; not at all by an ORT without the provider.
bool has_cuda() {
  static const bool result = [] {
    const std::vector<std::string> providers = Ort::GetAvailableProviders();
    return std::find(providers.begin(), providers.end(), "CUDAExecutionProvider") != providers.end() &&
           cuda_library_is_usable();
  }();
  return result;
}

// One operator, for each provider.
template <bool Residual, Layout layout>
void add_operator(Ort::CustomOpDomain& domain, const Kernel& kernel, int cuda_precision) {
  domain.Add(new ZapConvOp<Residual, layout>(kernel));
  if (has_cuda()) domain.Add(new ZapConvCudaOp<Residual, layout>(cuda_precision));
}

// The domain whose operators use a kernel on the CPU, and a precision on CUDA. Sessions refer to it for as long as they
// live, and ORT may be unloaded before this library's destructors would run, so it is never destroyed.
OrtCustomOpDomain* domain_of(const Kernel& kernel, int cuda_precision) {
  static std::mutex mutex;
  static auto& domains = *new std::map<std::pair<const Kernel*, int>, Ort::CustomOpDomain>;
  const std::lock_guard lock(mutex);
  const auto key = std::make_pair(&kernel, cuda_precision);
  auto found = domains.find(key);
  if (found == domains.end()) {
    Ort::CustomOpDomain domain("zaponnx");
    add_operator<false, Layout::kNchw>(domain, kernel, cuda_precision);
    add_operator<true, Layout::kNchw>(domain, kernel, cuda_precision);
    add_operator<false, Layout::kNhwc>(domain, kernel, cuda_precision);
    add_operator<true, Layout::kNhwc>(domain, kernel, cuda_precision);
    found = domains.emplace(key, std::move(domain)).first;
  }
  return found->second;
}

void register_with(OrtSessionOptions* raw_options, const OrtApi& api) {
  int registered = 0;
  Ort::ThrowOnError(api.HasSessionConfigEntry(raw_options, kRegisteredKey, &registered));
  if (registered) return;
  const Kernel& kernel = select_kernel();
  Ort::UnownedSessionOptions options(raw_options);
  const int precision = precision_named(options.GetConfigEntryOrDefault(kPrecisionKey, "float32"));
  options.Add(domain_of(kernel, precision));
  options.AddConfigEntry(kRegisteredKey, "1");
  options.AddConfigEntry(kIsaKey, kernel.name);
  options.AddConfigEntry(kCudaKey, has_cuda() ? "yes" : "no");
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
