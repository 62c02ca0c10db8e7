// RegisterCustomOps of a library for tests: ONNX Runtime's operators for CUDA, registered for the CPU. With the
// emulation beside it in the place of the CUDA half, sessions on the CPU run what otherwise needs a GPU.
#include <exception>

#include "ort/zapconv_cuda_op.h"

namespace zaponnx {
namespace {

template <bool Residual, Layout layout>
void add(Ort::CustomOpDomain& domain) {
  auto* const added = new ZapConvCudaOp<Residual, layout>(ZAPONNX_CUDA_PRECISION_FLOAT32);
  added->OrtCustomOp::GetExecutionProviderType = [](const OrtCustomOp*) { return "CPUExecutionProvider"; };
  domain.Add(added);
}

OrtCustomOpDomain* make_domain() {
  auto& domain = *new Ort::CustomOpDomain("zaponnx");
  add<false, Layout::kNchw>(domain);
  add<true, Layout::kNchw>(domain);
  add<false, Layout::kNhwc>(domain);
  add<true, Layout::kNhwc>(domain);
  return domain;
}

}  // namespace
}  // namespace zaponnx

extern "C" __attribute__((visibility("default"))) OrtStatus* ORT_API_CALL
RegisterCustomOps(OrtSessionOptions* options, const OrtApiBase* api_base) {
  Ort::InitApi(api_base->GetApi(zaponnx::kApiVersion));
  return zaponnx::guard([&] {
    static OrtCustomOpDomain* const domain = zaponnx::make_domain();
    Ort::UnownedSessionOptions(options).Add(domain);
  });
}
