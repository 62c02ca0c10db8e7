// ZapConv, ZapConvResidual and their NHWC forms as ONNX Runtime custom operators, float32, on the CPU.
#pragma once

#include <memory>
#include <vector>

#include "kernels/kernel.h"
#include "ort/node.h"

namespace zaponnx {

// One node. Immutable after construction: ORT shares it between concurrent runs.
class ZapConvNode {
 public:
  ZapConvNode(const OrtKernelInfo* info, const Kernel& kernel, bool residual, Layout layout);
  OrtStatusPtr ComputeV2(OrtKernelContext* context);  // called by ORT's CustomOpBase

 private:
  void compute(OrtKernelContext* context) const;

  bool residual_;
  const Kernel* kernel_;
  LayerAttributes attributes_;
  std::array<int64_t, 4> w_shape_{};
  std::unique_ptr<PreparedLayer> layer_;  // null where a weight is not constant; then prepared call by call
};

template <bool Residual, Layout layout>
struct ZapConvOp : Ort::CustomOpBase<ZapConvOp<Residual, layout>, ZapConvNode, /*WithStatus=*/true> {
  explicit ZapConvOp(const Kernel& kernel);
  OrtStatusPtr CreateKernelV2(const OrtApi& api, const OrtKernelInfo* info, void** kernel) const;
  const char* GetName() const { return operator_name(Residual, layout); }
  const char* GetExecutionProviderType() const { return "CPUExecutionProvider"; }
  size_t GetInputTypeCount() const { return Residual ? 8 : 7; }
  ONNXTensorElementDataType GetInputType(size_t) const { return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT; }
  size_t GetOutputTypeCount() const { return 1; }
  ONNXTensorElementDataType GetOutputType(size_t) const { return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT; }

 private:
  const Kernel* kernel_;
};

}  // namespace zaponnx
