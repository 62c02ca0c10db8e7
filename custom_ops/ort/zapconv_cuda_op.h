// ZapConv, ZapConvResidual and their NHWC forms as ONNX Runtime custom operators, float32, on CUDA.
#pragma once

#include <memory>
#include <vector>

#include "ort/cuda_library.h"
#include "ort/node.h"

namespace zaponnx {

// One node. Immutable after construction.
class ZapConvCudaNode {
 public:
  // `precision` is one of ZAPONNX_CUDA_PRECISION_...
  ZapConvCudaNode(const OrtKernelInfo* info, int precision, bool residual, Layout layout);
  OrtStatusPtr ComputeV2(OrtKernelContext* context);  // called by ORT's CustomOpBase

 private:
  using LayerPointer = std::unique_ptr<zaponnx_cuda_layer, decltype(&zaponnx_cuda_layer_destroy)>;

  LayerPointer make_layer(const LayerWeights& weights) const;
  void compute(OrtKernelContext* context) const;

  const CudaLibrary& library_;
  int precision_;
  bool residual_;
  LayerAttributes attributes_;
  std::array<int64_t, 4> w_shape_{};
  LayerPointer layer_;  // null where a weight is not constant; then made call by call
};

template <bool Residual, Layout layout>
struct ZapConvCudaOp : Ort::CustomOpBase<ZapConvCudaOp<Residual, layout>, ZapConvCudaNode, /*WithStatus=*/true> {
  explicit ZapConvCudaOp(int precision);
  OrtStatusPtr CreateKernelV2(const OrtApi& api, const OrtKernelInfo* info, void** kernel) const;
  const char* GetName() const { return operator_name(Residual, layout); }
  const char* GetExecutionProviderType() const { return "CUDAExecutionProvider"; }
  size_t GetInputTypeCount() const { return Residual ? 8 : 7; }
  ONNXTensorElementDataType GetInputType(size_t) const { return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT; }
  // The weights stay on the host: they are packed there, and uploaded once.
  OrtMemType GetInputMemoryType(size_t index) const {
    return index >= kFirstWeight && index < kFirstWeight + kWeights ? OrtMemTypeCPUInput : OrtMemTypeDefault;
  }
  size_t GetOutputTypeCount() const { return 1; }
  ONNXTensorElementDataType GetOutputType(size_t) const { return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT; }

 private:
  int precision_;
};

}  // namespace zaponnx
