#include "ort/zapconv_op.h"

#include <algorithm>
#include <new>
#include <thread>

#include "core/file_pages.h"

namespace zaponnx {
namespace {

// ORT's intra-op pool.
class OrtParallel final : public Parallel {
 public:
  explicit OrtParallel(OrtKernelContext* context) : context_(context) {}

  // ORT does not tell how many threads it has.
  size_t threads() const override {
    static const size_t cores = std::max(1u, std::thread::hardware_concurrency());
    return cores;
  }

 protected:
  void run(size_t most, void (*work)(void* data), void* data) const override {
    struct Arguments {
      void (*work)(void*);
      void* data;
    } arguments{work, data};
    auto call = [](void* user_data, size_t) {
      const auto& arguments = *static_cast<const Arguments*>(user_data);
      arguments.work(arguments.data);
    };
    // Calls that start late cost nothing: they find no work.
    Ort::KernelContext(context_).ParallelFor(call, std::min(most, threads()), 0, &arguments);
  }

 private:
  OrtKernelContext* context_;
};

// ORT's own allocator for the CPU, which keeps memory between calls and within the session's limits.
class OrtMemory final : public Memory {
 public:
  explicit OrtMemory(OrtKernelContext* context) {
    const auto info = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    const OrtMemoryInfo* const raw_info = info;
    allocator_ = Ort::KernelContext(context).GetAllocator(*raw_info);
  }
  ~OrtMemory() override { Ort::GetApi().ReleaseAllocator(allocator_); }

  void* allocate(size_t bytes) override {
    void* memory = allocator_->Alloc(allocator_, bytes);
    if (memory == nullptr && bytes > 0) throw std::bad_alloc();
    return memory;
  }
  void release(void* memory) override { allocator_->Free(allocator_, memory); }

 private:
  OrtAllocator* allocator_;
};

// X's height x width; 0 if the graph does not tell. Where the batch is neither known nor has a name, no ZapConv tells
// the next one its shape, and in NCHW the model's value_info might: then 0 as well, so that both layouts give the same
// bits.
int64_t map_pixels(const Ort::ConstKernelInfo& info, Layout layout) {
  const Ort::TypeInfo type = info.GetInputTypeInfo(0);
  const auto x = type.GetTensorTypeAndShapeInfo();
  const std::vector<int64_t> shape = x.GetShape();
  if (shape.size() != 4) return 0;
  std::array<const char*, 4> names{"", "", "", ""};
  Ort::ThrowOnError(Ort::GetApi().GetSymbolicDimensions(x, names.data(), names.size()));
  const size_t first = layout == Layout::kNchw ? 2 : 1;
  const bool known = (shape[0] >= 0 || *names[0] != '\0') && shape[first] > 0 && shape[first + 1] > 0;
  return known ? shape[first] * shape[first + 1] : 0;
}

}  // namespace

ZapConvNode::ZapConvNode(const OrtKernelInfo* kernel_info, const Kernel& kernel, bool residual, Layout layout)
    : residual_(residual), kernel_(&kernel) {
  const Ort::ConstKernelInfo info(kernel_info);
  attributes_ = read_attributes(info, layout);
  const std::vector<Ort::ConstValue> values = constant_weights(info);
  if (values.empty()) return;
  const LayerWeights weights = check_weights(attributes_, values);
  w_shape_ = weights.shape;
  attributes_.map_pixels = map_pixels(info, layout);
  layer_ = kernel_->prepare(attributes_, weights);
  // The layer has its own copy, in its own order; W stays with the session, but need not stay in memory.
  release_file_pages(weights.W, values[0].GetTensorTypeAndShapeInfo().GetElementCount() * sizeof(float));
}

OrtStatusPtr ZapConvNode::ComputeV2(OrtKernelContext* context) {
  return guard([&] { compute(context); });
}

void ZapConvNode::compute(OrtKernelContext* raw_context) const {
  const Ort::KernelContext context(raw_context);
  std::unique_ptr<PreparedLayer> prepared_now;
  const PreparedLayer* layer = layer_.get();
  std::array<int64_t, 4> w_shape = w_shape_;
  if (layer == nullptr) {
    const LayerWeights weights = check_weights(attributes_, weights_of(context));
    w_shape = weights.shape;
    prepared_now = kernel_->prepare(attributes_, weights);
    layer = prepared_now.get();
  }
  const Ort::ConstValue x = context.GetInput(0);
  const Geometry g = make_geometry(attributes_, w_shape, x.GetTensorTypeAndShapeInfo().GetShape());
  const std::vector<int64_t> y_shape = output_shape(attributes_, g);
  Activations activations{x.GetTensorData<float>(), nullptr, nullptr};
  if (residual_) {
    const Ort::ConstValue z = context.GetInput(kFirstWeight + kWeights);
    check_shape("Z", z.GetTensorTypeAndShapeInfo().GetShape(), y_shape);
    activations.residual = z.GetTensorData<float>();
  }
  activations.y = context.GetOutput(0, y_shape).GetTensorMutableData<float>();
  if (g.batch == 0) return;
  OrtMemory memory(raw_context);
  layer->run(g, activations, OrtParallel(raw_context), memory);
}

template <bool Residual, Layout layout>
ZapConvOp<Residual, layout>::ZapConvOp(const Kernel& kernel) : kernel_(&kernel) {
  this->version = kApiVersion;
  this->InferOutputShapeFn = [](const OrtCustomOp*, OrtShapeInferContext* context) -> OrtStatusPtr {
    return guard([&] { infer_output_shape(context, layout); });
  };
}

template <bool Residual, Layout layout>
OrtStatusPtr ZapConvOp<Residual, layout>::CreateKernelV2(const OrtApi&, const OrtKernelInfo* info,
                                                         void** kernel) const {
  return guard([&] { *kernel = new ZapConvNode(info, *kernel_, Residual, layout); });
}

template struct ZapConvOp<false, Layout::kNchw>;
template struct ZapConvOp<true, Layout::kNchw>;
template struct ZapConvOp<false, Layout::kNhwc>;
template struct ZapConvOp<true, Layout::kNhwc>;

}  // namespace zaponnx
