// The C interface: arguments into the classes of layer.h, exceptions into codes and texts.
#include <algorithm>
#include <cstring>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>

#include "cuda/layer.h"

struct zaponnx_cuda_layer {
  zaponnx::cuda::Layer layer;
};

namespace zaponnx::cuda {
namespace {

thread_local std::string last_error;

int code_of(cudaError_t error) {
  switch (error) {
    case cudaErrorNoDevice:
    case cudaErrorInsufficientDriver:
    case cudaErrorSystemDriverMismatch:
    case cudaErrorStubLibrary:
    case cudaErrorUnsupportedPtxVersion:
    case cudaErrorInvalidDeviceFunction:
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorDevicesUnavailable:
      return ZAPONNX_CUDA_NO_DEVICE;
    case cudaErrorMemoryAllocation:
      return ZAPONNX_CUDA_OUT_OF_MEMORY;
    default:
      return ZAPONNX_CUDA_FAILURE;
  }
}

const char* remedy_of(cudaError_t error) {
  switch (error) {
    case cudaErrorNoDevice:
    case cudaErrorInsufficientDriver:
    case cudaErrorUnsupportedPtxVersion:  // for a GPU newer than the machine code
      return " Install NVIDIA's driver, of the CUDA version that this library was built with or newer.";
    case cudaErrorInvalidDeviceFunction:
    case cudaErrorNoKernelImageForDevice:
      return " The kernels need a GPU of sm_75 or later; choose another, as by the provider's option device_id, or "
             "the CPU.";
    default:
      return "";
  }
}

template <typename Body>
int guard(const Body& body) noexcept {
  try {
    body();
    return ZAPONNX_CUDA_OK;
  } catch (const CudaError& error) {
    cudaGetLastError();  // so that a later call does not report it again
    const int code = code_of(error.code);
    last_error = std::string("ZapConv on CUDA: ") + error.what();
    last_error += remedy_of(error.code);
    return code;
  } catch (const std::bad_alloc&) {
    last_error = "ZapConv on CUDA: there is not enough memory.";
    return ZAPONNX_CUDA_OUT_OF_MEMORY;
  } catch (const std::invalid_argument& error) {
    last_error = error.what();
    return ZAPONNX_CUDA_INVALID_ARGUMENT;
  } catch (const std::exception& error) {
    last_error = std::string("ZapConv on CUDA: ") + error.what();
    return ZAPONNX_CUDA_FAILURE;
  }
}

template <typename... Pointers>
void check_pointers(const Pointers*... pointers) {
  if (((pointers == nullptr) || ...)) throw std::invalid_argument("ZapConv on CUDA: an argument is a null pointer.");
}

void check_alignment(const char* what, const void* pointer, int bytes) {
  if (reinterpret_cast<uintptr_t>(pointer) % bytes != 0) {
    throw std::invalid_argument(std::string("ZapConv on CUDA: ") + what + " is not aligned to " +
                                std::to_string(bytes) + " bytes.");
  }
}

// The name and architecture of the first one that the kernels run on. Makes no context, on any.
std::string first_usable_gpu() {
  constexpr int kLeastArchitecture = 75;
  int count = 0;
  check("looking for a GPU", cudaGetDeviceCount(&count));
  std::string older;
  for (int index = 0; index < count; ++index) {
    cudaDeviceProp properties;
    check("asking for a GPU's properties", cudaGetDeviceProperties(&properties, index));
    const int architecture = properties.major * 10 + properties.minor;
    const std::string gpu = std::string(properties.name) + ", sm_" + std::to_string(architecture);
    if (architecture >= kLeastArchitecture) return gpu;
    older += (index == 0 ? "" : "; ") + gpu;
  }
  throw CudaError("looking for a GPU, among " + older, cudaErrorNoKernelImageForDevice);
}

LayerAttributes attributes_of(const zaponnx_cuda_layer_description& d) {
  if (d.layout != ZAPONNX_CUDA_NCHW && d.layout != ZAPONNX_CUDA_NHWC) {
    throw std::invalid_argument("ZapConv on CUDA: layout is " + std::to_string(d.layout) + "; it must be 0 or 1.");
  }
  check_pointers(d.pattern, d.threshold, d.W, d.B, d.P1, d.p1, d.P2, d.p2);
  LayerAttributes attributes;
  attributes.layout = d.layout == ZAPONNX_CUDA_NHWC ? Layout::kNhwc : Layout::kNchw;
  std::copy_n(d.strides, 2, attributes.strides.begin());
  std::copy_n(d.dilations, 2, attributes.dilations.begin());
  std::copy_n(d.pads, 4, attributes.pads.begin());
  attributes.group = d.group;
  attributes.channels = d.w_shape[0];
  attributes.bound = d.bound;
  attributes.pattern.rows = d.pattern_shape[0];
  attributes.pattern.columns = d.pattern_shape[1];
  constexpr int64_t kLargest = 1 << 24;
  if (d.pattern_shape[0] < 1 || d.pattern_shape[1] < 1 || d.pattern_shape[0] > kLargest ||
      d.pattern_shape[1] > kLargest / d.pattern_shape[0] || d.threshold_count < 1 || d.threshold_count > kLargest) {
    throw std::invalid_argument("ZapConv on CUDA: pattern_shape and threshold_count must be from 1 to 2^24.");
  }
  attributes.pattern.tile.assign(d.pattern, d.pattern + d.pattern_shape[0] * d.pattern_shape[1]);
  attributes.threshold.assign(d.threshold, d.threshold + d.threshold_count);
  check_attributes(attributes);
  check_weight_shape(attributes, {d.w_shape, d.w_shape + 4});
  return attributes;
}

}  // namespace
}  // namespace zaponnx::cuda

using zaponnx::Geometry;
using zaponnx::cuda::guard;

int zaponnx_cuda_interface(void) { return ZAPONNX_CUDA_INTERFACE; }

const char* zaponnx_cuda_error(void) { return zaponnx::cuda::last_error.c_str(); }

int zaponnx_cuda_device(char* text, size_t size) {
  using namespace zaponnx::cuda;
  std::string found;
  const int code = guard([&] { found = first_usable_gpu(); });
  if (code != ZAPONNX_CUDA_OK) found = last_error;
  if (text != nullptr && size > 0) {
    const size_t length = std::min(found.size(), size - 1);
    std::memcpy(text, found.data(), length);
    text[length] = '\0';
  }
  return code;
}

int zaponnx_cuda_layer_create(const zaponnx_cuda_layer_description* d, zaponnx_cuda_layer** layer) {
  using namespace zaponnx::cuda;
  return guard([&] {
    check_pointers(d, layer);
    *layer = nullptr;
    const zaponnx::LayerAttributes attributes = attributes_of(*d);
    const std::array<int64_t, 4> w_shape{d->w_shape[0], d->w_shape[1], d->w_shape[2], d->w_shape[3]};
    const zaponnx::LayerWeights weights{w_shape, d->W, d->B, d->P1, d->p1, d->P2, d->p2};
    *layer =
        new zaponnx_cuda_layer{Layer(attributes, weights, {d->element, d->precision, d->method, d->element_channels})};
  });
}

void zaponnx_cuda_layer_destroy(zaponnx_cuda_layer* layer) { delete layer; }

int zaponnx_cuda_output_shape(const zaponnx_cuda_layer* layer, const int64_t x_shape[4], int64_t y_shape[4]) {
  return guard([&] {
    zaponnx::cuda::check_pointers(layer, x_shape, y_shape);
    const auto shape = output_shape(layer->layer.attributes(), layer->layer.geometry(x_shape));
    std::copy(shape.begin(), shape.end(), y_shape);
  });
}

int zaponnx_cuda_workspace_size(const zaponnx_cuda_layer* layer, const int64_t x_shape[4], size_t* bytes) {
  return guard([&] {
    zaponnx::cuda::check_pointers(layer, x_shape, bytes);
    *bytes = layer->layer.workspace_bytes(layer->layer.geometry(x_shape));
  });
}

int zaponnx_cuda_run(const zaponnx_cuda_layer* layer, const int64_t x_shape[4], const void* x, const void* z, void* y,
                     void* workspace, size_t workspace_bytes, void* stream) {
  return guard([&] {
    zaponnx::cuda::check_pointers(layer, x_shape);
    const Geometry g = layer->layer.geometry(x_shape);
    if (g.batch > 0) zaponnx::cuda::check_pointers(x, y);
    const size_t needed = layer->layer.workspace_bytes(g);
    if (workspace_bytes < needed || (needed > 0 && workspace == nullptr)) {
      throw std::invalid_argument("ZapConv on CUDA: the workspace has " + std::to_string(workspace_bytes) +
                                  " bytes; it must have " + std::to_string(needed) + ".");
    }
    const int element = layer->layer.element_bytes();
    zaponnx::cuda::check_alignment("the workspace", workspace, zaponnx::cuda::kVectorBytes);
    zaponnx::cuda::check_alignment("x", x, layer->layer.reads_vectors(g) ? zaponnx::cuda::kVectorBytes : element);
    zaponnx::cuda::check_alignment("z", z, element);
    zaponnx::cuda::check_alignment("y", y, element);
    layer->layer.run(g, {x, z, y}, workspace, static_cast<cudaStream_t>(stream));
  });
}

int zaponnx_cuda_read_work(const zaponnx_cuda_layer* layer, const int64_t x_shape[4], const void* workspace,
                           void* stream, zaponnx_cuda_work* work) {
  return guard([&] {
    zaponnx::cuda::check_pointers(layer, x_shape, work);
    *work = layer->layer.read_work(layer->layer.geometry(x_shape), workspace, static_cast<cudaStream_t>(stream));
  });
}
