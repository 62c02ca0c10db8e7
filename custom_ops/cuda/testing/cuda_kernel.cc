#include "cuda/testing/cuda_kernel.h"

#include <stdexcept>

#include "cuda/description.h"
#include "cuda/half.h"

namespace zaponnx::testing {
namespace {

cuda::Choices choices_now;
zaponnx_cuda_work work_now;

void check(int code) {
  if (code != ZAPONNX_CUDA_OK) throw std::runtime_error(zaponnx_cuda_error());
}

void check_cuda(cudaError_t error) {
  if (error != cudaSuccess) throw std::runtime_error(cudaGetErrorString(error));
}

// Bytes on the device.
class DeviceBytes {
 public:
  explicit DeviceBytes(const std::vector<unsigned char>& bytes) : size_(bytes.size()) {
    if (bytes.empty()) return;
    check_cuda(cudaMalloc(&data_, size_));
    check_cuda(cudaMemcpy(data_, bytes.data(), size_, cudaMemcpyHostToDevice));
  }
  DeviceBytes(const DeviceBytes&) = delete;
  DeviceBytes& operator=(const DeviceBytes&) = delete;
  ~DeviceBytes() { cudaFree(data_); }

  void* get() const { return data_; }
  std::vector<unsigned char> read() const {
    std::vector<unsigned char> bytes(size_);
    check_cuda(cudaMemcpy(bytes.data(), data_, size_, cudaMemcpyDeviceToHost));
    return bytes;
  }

 private:
  void* data_ = nullptr;
  size_t size_;
};

// An activation in the element type.
std::vector<unsigned char> to_elements(const float* values, int64_t count, int element) {
  std::vector<unsigned char> bytes(count * (element == ZAPONNX_CUDA_ELEMENT_FLOAT16 ? 2 : 4));
  for (int64_t i = 0; i < count; ++i) {
    if (element == ZAPONNX_CUDA_ELEMENT_FLOAT16) {
      reinterpret_cast<uint16_t*>(bytes.data())[i] = cuda::half_of_float(values[i]);
    } else {
      reinterpret_cast<float*>(bytes.data())[i] = values[i];
    }
  }
  return bytes;
}

class CudaLayer final : public PreparedLayer {
 public:
  CudaLayer(const LayerAttributes& attributes, const LayerWeights& weights) : choices_(choices_now) {
    const auto description = description_of(attributes, weights, choices_);
    check(zaponnx_cuda_layer_create(&description, &layer_));
    nchw_ = attributes.layout == Layout::kNchw;
  }
  ~CudaLayer() override { zaponnx_cuda_layer_destroy(layer_); }

  void run(const Geometry& g, const Activations& a, const Parallel&, Memory&) const override {
    const int64_t nchw[4] = {g.batch, g.in_channels, g.in_height, g.in_width};
    const int64_t nhwc[4] = {g.batch, g.in_height, g.in_width, g.in_channels};
    const int64_t* const shape = nchw_ ? nchw : nhwc;
    int64_t y_shape[4];
    check(zaponnx_cuda_output_shape(layer_, shape, y_shape));
    const int64_t y_count = y_shape[0] * y_shape[1] * y_shape[2] * y_shape[3];
    const int64_t x_count = g.batch * g.in_channels * g.in_height * g.in_width;
    const DeviceBytes x(to_elements(a.x, x_count, choices_.element));
    const DeviceBytes z(a.residual ? to_elements(a.residual, y_count, choices_.element) : std::vector<unsigned char>());
    const DeviceBytes y(to_elements(a.y, y_count, choices_.element));
    size_t bytes = 0;
    check(zaponnx_cuda_workspace_size(layer_, shape, &bytes));
    // Filled with what would be a NaN, a wild pixel or a wild count if it were read before it is written.
    const DeviceBytes workspace(std::vector<unsigned char>(bytes, 0xfe));
    check(zaponnx_cuda_run(layer_, shape, x.get(), z.get(), y.get(), workspace.get(), bytes, nullptr));
    check(zaponnx_cuda_read_work(layer_, shape, workspace.get(), nullptr, &work_now));
    const std::vector<unsigned char> result = y.read();
    for (int64_t i = 0; i < y_count; ++i) {
      a.y[i] = choices_.element == ZAPONNX_CUDA_ELEMENT_FLOAT16
                   ? cuda::float_of_half(reinterpret_cast<const uint16_t*>(result.data())[i])
                   : reinterpret_cast<const float*>(result.data())[i];
    }
  }

 private:
  cuda::Choices choices_;
  zaponnx_cuda_layer* layer_ = nullptr;
  bool nchw_;
};

}  // namespace

const Kernel& cuda_kernel(const cuda::Choices& choices) {
  static const Kernel kernel{"cuda", [] { return true; },
                             [](const LayerAttributes& attributes, const LayerWeights& weights) {
                               return std::unique_ptr<PreparedLayer>(new CudaLayer(attributes, weights));
                             }};
  choices_now = choices;
  return kernel;
}

const zaponnx_cuda_work& last_work() { return work_now; }

zaponnx_cuda_layer_description description_of(const LayerAttributes& attributes, const LayerWeights& w,
                                              const cuda::Choices& choices) {
  zaponnx_cuda_layer_description d = describe_layer(attributes, w);
  d.element = choices.element;
  d.precision = choices.precision;
  d.method = choices.method;
  d.element_channels = choices.element_channels;
  return d;
}

}  // namespace zaponnx::testing
