#include "ort/zapconv_cuda_op.h"

#include <new>
#include <stdexcept>
#include <string>

#include "cuda/description.h"

namespace zaponnx {
namespace {

// Throws what the library says.
void check(const CudaLibrary& library, int code) {
  if (code == ZAPONNX_CUDA_OK) return;
  if (code == ZAPONNX_CUDA_INVALID_ARGUMENT) throw std::invalid_argument(library.error());
  throw std::runtime_error(library.error());
}

struct ReleaseAllocator {
  void operator()(OrtAllocator* allocator) const { Ort::GetApi().ReleaseAllocator(allocator); }
};

// Of the provider's own allocator, on the device where X is. Runs at the same time have streams of their own, and share
// the allocator: it gives memory that a scratch buffer of one stream had to another only after that has waited for it.
// So this can be released as soon as the kernels that use it are launched; memory from OrtAllocator::Alloc could not.
class Workspace {
 public:
  Workspace(const Ort::KernelContext& context, const Ort::ConstValue& x, size_t bytes) {
    if (bytes == 0) return;
    const auto info = x.GetTensorMemoryInfo();
    const OrtMemoryInfo* const raw_info = info;
    allocator_.reset(context.GetAllocator(*raw_info));
    if (context.GetGPUComputeStream() != nullptr) {
      Ort::ThrowOnError(
          Ort::GetApi().KernelContext_GetScratchBuffer(context.GetOrtKernelContext(), raw_info, bytes, &memory_));
    } else {  // the default stream, or a test's CPU, where ORT crashes in the other function
      memory_ = allocator_->Alloc(allocator_.get(), bytes);
    }
    if (memory_ == nullptr) throw std::bad_alloc();
  }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  ~Workspace() {
    if (memory_ != nullptr) allocator_->Free(allocator_.get(), memory_);
  }

  void* data() const { return memory_; }

 private:
  std::unique_ptr<OrtAllocator, ReleaseAllocator> allocator_;
  void* memory_ = nullptr;
};

}  // namespace

ZapConvCudaNode::ZapConvCudaNode(const OrtKernelInfo* kernel_info, int precision, bool residual, Layout layout)
    : library_(cuda_library()), precision_(precision), residual_(residual), layer_(nullptr, library_.layer_destroy) {
  const Ort::ConstKernelInfo info(kernel_info);
  attributes_ = read_attributes(info, layout);
  const std::vector<Ort::ConstValue> values = constant_weights(info);
  if (values.empty()) return;
  const LayerWeights weights = check_weights(attributes_, values);
  w_shape_ = weights.shape;
  layer_ = make_layer(weights);
}

ZapConvCudaNode::LayerPointer ZapConvCudaNode::make_layer(const LayerWeights& w) const {
  zaponnx_cuda_layer_description d = describe_layer(attributes_, w);
  d.precision = precision_;
  zaponnx_cuda_layer* layer = nullptr;
  check(library_, library_.layer_create(&d, &layer));
  return {layer, library_.layer_destroy};
}

OrtStatusPtr ZapConvCudaNode::ComputeV2(OrtKernelContext* context) {
  return guard([&] { compute(context); });
}

void ZapConvCudaNode::compute(OrtKernelContext* raw_context) const {
  const Ort::KernelContext context(raw_context);
  // Destroying it waits for the device, so such a node cannot be captured in a CUDA graph.
  LayerPointer made_now(nullptr, library_.layer_destroy);
  const zaponnx_cuda_layer* layer = layer_.get();
  std::array<int64_t, 4> w_shape = w_shape_;
  if (layer == nullptr) {
    const LayerWeights weights = check_weights(attributes_, weights_of(context));
    w_shape = weights.shape;
    made_now = make_layer(weights);
    layer = made_now.get();
  }
  const Ort::ConstValue x = context.GetInput(0);
  const std::vector<int64_t> x_shape = x.GetTensorTypeAndShapeInfo().GetShape();
  const Geometry g = make_geometry(attributes_, w_shape, x_shape);
  const std::vector<int64_t> y_shape = output_shape(attributes_, g);
  const float* z_data = nullptr;
  if (residual_) {
    const Ort::ConstValue z = context.GetInput(kFirstWeight + kWeights);
    check_shape("Z", z.GetTensorTypeAndShapeInfo().GetShape(), y_shape);
    z_data = z.GetTensorData<float>();
  }
  float* const y_data = context.GetOutput(0, y_shape).GetTensorMutableData<float>();
  if (g.batch == 0) return;
  size_t bytes = 0;
  check(library_, library_.workspace_size(layer, x_shape.data(), &bytes));
  const Workspace workspace(context, x, bytes);
  check(library_, library_.run(layer, x_shape.data(), x.GetTensorData<float>(), z_data, y_data, workspace.data(), bytes,
                               context.GetGPUComputeStream()));
}

template <bool Residual, Layout layout>
ZapConvCudaOp<Residual, layout>::ZapConvCudaOp(int precision) : precision_(precision) {
  this->version = kApiVersion;
  this->InferOutputShapeFn = [](const OrtCustomOp*, OrtShapeInferContext* context) -> OrtStatusPtr {
    return guard([&] { infer_output_shape(context, layout); });
  };
}

template <bool Residual, Layout layout>
OrtStatusPtr ZapConvCudaOp<Residual, layout>::CreateKernelV2(const OrtApi&, const OrtKernelInfo* info,
                                                             void** kernel) const {
  return guard([&] { *kernel = new ZapConvCudaNode(info, precision_, Residual, layout); });
}

template struct ZapConvCudaOp<false, Layout::kNchw>;
template struct ZapConvCudaOp<true, Layout::kNchw>;
template struct ZapConvCudaOp<false, Layout::kNhwc>;
template struct ZapConvCudaOp<true, Layout::kNhwc>;

}  // namespace zaponnx
