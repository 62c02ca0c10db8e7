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

<<<<<<< HEAD
// What went wrong, as the status that ORT reports to the user.
template <typename Body>
OrtStatusPtr guard(const Body& body) noexcept {
  try {
    body();
    return nullptr;
  } catch (const Ort::Exception& error) {
    return Ort::GetApi().CreateStatus(error.GetOrtErrorCode(), error.what());
  } catch (const std::invalid_argument& error) {
    return Ort::GetApi().CreateStatus(ORT_INVALID_ARGUMENT, error.what());
  } catch (const std::bad_alloc&) {
    return Ort::GetApi().CreateStatus(ORT_RUNTIME_EXCEPTION, "ZapConv: there is not enough memory.");
  } catch (const std::exception& error) {
    return Ort::GetApi().CreateStatus(ORT_RUNTIME_EXCEPTION, (std::string("ZapConv: ") + error.what()).c_str());
  } catch (...) {
    return Ort::GetApi().CreateStatus(ORT_RUNTIME_EXCEPTION, "ZapConv: unknown error.");
  }
}

template <typename T, size_t Count>
std::array<T, Count> exactly(const char* name, const std::vector<T>& values) {
  if (values.size() != Count) {
    throw std::invalid_argument("ZapConv: attribute " + std::string(name) + " has " + std::to_string(values.size()) +
                                " values; it must have " + std::to_string(Count) + ".");
  }
  std::array<T, Count> result{};
  std::copy(values.begin(), values.end(), result.begin());
  return result;
}

// The attribute, or an error that names it: ORT's own says only that some attribute is not defined.
template <typename T>
T read(const char* name, T (Ort::ConstKernelInfo::*get)(const char*) const, const Ort::ConstKernelInfo& info) {
  try {
    return (info.*get)(name);
  } catch (const Ort::Exception& error) {
    throw std::invalid_argument("ZapConv: attribute " + std::string(name) + " is missing or of a wrong type (" +
                                error.what() + ").");
  }
}

LayerAttributes read_attributes(const Ort::ConstKernelInfo& info, Layout layout) {
  auto integers = [&](const char* name) {
    return read<std::vector<int64_t>>(name, &Ort::ConstKernelInfo::GetAttributes<int64_t>, info);
  };
  auto integer = [&](const char* name) {
    return read<int64_t>(name, &Ort::ConstKernelInfo::GetAttribute<int64_t>, info);
  };
  LayerAttributes attributes;
  attributes.layout = layout;
  attributes.strides = exactly<int64_t, 2>("strides", integers("strides"));
  attributes.dilations = exactly<int64_t, 2>("dilations", integers("dilations"));
  attributes.pads = exactly<int64_t, 4>("pads", integers("pads"));
  attributes.group = integer("group");
  attributes.channels = integer("channels");
  attributes.bound = read<float>("bound", &Ort::ConstKernelInfo::GetAttribute<float>, info);
  attributes.threshold = read<std::vector<float>>("threshold", &Ort::ConstKernelInfo::GetAttributes<float>, info);
  const auto shape = exactly<int64_t, 2>("pattern_shape", integers("pattern_shape"));
  attributes.pattern.rows = shape[0];
  attributes.pattern.columns = shape[1];
  for (int64_t entry : integers("pattern")) attributes.pattern.tile.push_back(entry != 0);
  check_attributes(attributes);
  return attributes;
}

// Checks the weights, which are kWeights tensors in the order of the inputs from W on.
LayerWeights check_weights(const LayerAttributes& attributes, const std::vector<Ort::ConstValue>& values) {
  std::vector<const float*> data;
  for (size_t i = 0; i < kWeights; ++i) {
    const auto shape = values[i].GetTensorTypeAndShapeInfo().GetShape();
    const int64_t m = attributes.channels;
    if (i == 0) {
      check_weight_shape(attributes, shape);
    } else if (i == 2 || i == 4) {
      check_shape(kInputNames[kFirstWeight + i], shape, {m, 1, 3, 3});
    } else {
      check_shape(kInputNames[kFirstWeight + i], shape, {m});
    }
    data.push_back(values[i].GetTensorData<float>());
  }
  // Padding multiplies weights by zeros, which must stay zeros.
  const size_t count = values[0].GetTensorTypeAndShapeInfo().GetElementCount();
  if (!std::all_of(data[0], data[0] + count, [](float value) { return std::isfinite(value); })) {
    throw std::invalid_argument("ZapConv: input W has a value that is infinite or not a number.");
  }
  const auto w_shape = exactly<int64_t, 4>("W", values[0].GetTensorTypeAndShapeInfo().GetShape());
  return {w_shape, data[0], data[1], data[2], data[3], data[4], data[5]};
}

// X's height x width; 0 if the graph does not tell.
int64_t map_pixels(const Ort::ConstKernelInfo& info, Layout layout) {
  const Ort::TypeInfo type = info.GetInputTypeInfo(0);
  const std::vector<int64_t> shape = type.GetTensorTypeAndShapeInfo().GetShape();
  const size_t first = layout == Layout::kNchw ? 2 : 1;
  return shape.size() == 4 && shape[first] > 0 && shape[first + 1] > 0 ? shape[first] * shape[first + 1] : 0;
}

// Y has X's batch, W's output channels, and the spatial extents of Conv, if these are known and the batch is or has a
// name; ORT has no way to say that an extent is unknown. What is wrong is left to the kernel, which says it: ORT
// ignores an error from here.
void infer_output_shape(OrtShapeInferContext* raw_context, Layout layout) {
  const OrtApi& api = Ort::GetApi();
  Ort::ShapeInferContext context(&api, raw_context);
  const auto x = context.GetInputShape(0);
  const auto w = context.GetInputShape(1);
  const auto strides = exactly<int64_t, 2>("strides", context.GetAttrInts("strides"));
  const auto dilations = exactly<int64_t, 2>("dilations", context.GetAttrInts("dilations"));
  const auto pads = exactly<int64_t, 4>("pads", context.GetAttrInts("pads"));
  if (x.size() != 4 || w.size() != 4 || !w[0].IsInt() || (x[0].IsInt() && x[0].AsInt() < 0)) return;
  const size_t channel_axis = layout == Layout::kNchw ? 1 : 3;
  const size_t first_spatial_axis = layout == Layout::kNchw ? 2 : 1;
  std::array<int64_t, 4> extents{x[0].IsInt() ? x[0].AsInt() : -1};
  extents[channel_axis] = w[0].AsInt();
  const std::array<const char*, 4> names{x[0].IsInt() ? "" : x[0].AsSym(), "", "", ""};
  for (size_t axis = 0; axis < 2; ++axis) {
    const auto extent = x[axis + first_spatial_axis];
    const auto kernel = w[axis + 2];
    if (!extent.IsInt() || !kernel.IsInt() || extent.AsInt() < 0) return;
    const int64_t room = extent.AsInt() + pads[axis] + pads[axis + 2] - dilations[axis] * (kernel.AsInt() - 1) - 1;
    if (strides[axis] < 1 || room < 0) return;
    extents[axis + first_spatial_axis] = room / strides[axis] + 1;
  }
  // By hand: the headers' SetOutputShape writes -2 for a dimension with a name, which later versions of ORT refuse.
  OrtTensorTypeAndShapeInfo* info = nullptr;
  Ort::ThrowOnError(api.CreateTensorTypeAndShapeInfo(&info));
  const Ort::TensorTypeAndShapeInfo owner(info);
  Ort::ThrowOnError(api.SetTensorElementType(info, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT));
  Ort::ThrowOnError(api.SetDimensions(info, extents.data(), extents.size()));
  Ort::ThrowOnError(api.SetSymbolicDimensions(info, const_cast<const char**>(names.data()), names.size()));
  Ort::ThrowOnError(api.ShapeInferContext_SetOutputTypeShape(raw_context, 0, info));
}

=======
>>>>>>> fc7e788c0a1f1d97c9e865cb21b76f5332539c45
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
