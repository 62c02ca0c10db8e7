// RegisterCustomOps of a library for tests: the installed one's, told that ONNX Runtime has the CUDA provider, and with
// the operators for CUDA registered for the CPU, in the place of the CPU's own. With the emulation beside it as the
// CUDA half, sessions on the CPU run what otherwise needs a GPU.
#include <cstring>
#include <utility>

#include "ort/api.h"

extern "C" OrtStatus* ORT_API_CALL RegisterZaponnx(OrtSessionOptions* options, const OrtApiBase* api_base);

namespace {

const OrtApi* real = nullptr;
// The operator for the CPU that was added last, until it is known whether the one for CUDA follows.
const OrtCustomOp* held = nullptr;

OrtStatus* add_held(OrtCustomOpDomain* domain) {
  const OrtCustomOp* const op = std::exchange(held, nullptr);
  return op == nullptr ? nullptr : real->CustomOpDomain_Add(domain, op);
}

OrtStatus* ORT_API_CALL add_operator(OrtCustomOpDomain* domain, const OrtCustomOp* op) noexcept {
  if (std::strcmp(op->GetExecutionProviderType(op), "CUDAExecutionProvider") == 0) {
    held = nullptr;
    const_cast<OrtCustomOp*>(op)->GetExecutionProviderType = [](const OrtCustomOp*) { return "CPUExecutionProvider"; };
    return real->CustomOpDomain_Add(domain, op);
  }
  OrtStatus* const status = add_held(domain);
  held = op;
  return status;
}

OrtStatus* ORT_API_CALL add_domain(OrtSessionOptions* options, OrtCustomOpDomain* domain) noexcept {
  OrtStatus* const status = add_held(domain);
  return status == nullptr ? real->AddCustomOpDomain(options, domain) : status;
}

OrtStatus* ORT_API_CALL get_providers(char*** names, int* count) noexcept {
  static char cuda[] = "CUDAExecutionProvider";
  static char* all[] = {cuda};
  *names = all;
  *count = 1;
  return nullptr;
}

OrtStatus* ORT_API_CALL release_providers(char**, int) noexcept { return nullptr; }

const OrtApi* ORT_API_CALL get_api(uint32_t) noexcept {
  static const OrtApi api = [] {
    OrtApi changed = *real;
    changed.CustomOpDomain_Add = add_operator;
    changed.AddCustomOpDomain = add_domain;
    changed.GetAvailableProviders = get_providers;
    changed.ReleaseAvailableProviders = release_providers;
    return changed;
  }();
  return &api;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) OrtStatus* ORT_API_CALL
RegisterCustomOps(OrtSessionOptions* options, const OrtApiBase* api_base) {
  real = api_base->GetApi(zaponnx::kApiVersion);
  const OrtApiBase base{get_api, api_base->GetVersionString};
  return RegisterZaponnx(options, &base);
}
