// A layer on a device: its weights in device memory, and the kernels that a run launches.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "cuda/cuda.h"
#include "cuda/kernels.h"
#include "cuda/plan.h"

namespace zaponnx::cuda {

// An error of CUDA's, with what failed.
class CudaError : public std::runtime_error {
 public:
  CudaError(const std::string& what, cudaError_t code)
      : std::runtime_error(what + ": " + cudaGetErrorString(code) + "."), code(code) {}
  cudaError_t code;
};

inline void check(const char* what, cudaError_t code) {
  if (code != cudaSuccess) throw CudaError(what, code);
}

// Device memory, filled once.
class DeviceMemory {
 public:
  DeviceMemory() = default;
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;
  ~DeviceMemory() { cudaFree(data_); }

  void fill(const std::vector<unsigned char>& bytes);
  const unsigned char* at(size_t offset) const { return static_cast<const unsigned char*>(data_) + offset; }

 private:
  void* data_ = nullptr;
};

// What a run is given; z may be null.
struct DeviceActivations {
  const void* x;
  const void* z;
  void* y;
};

// Immutable after construction. Of the functions, read_work alone waits for the device.
class Layer {
 public:
  Layer(const LayerAttributes& attributes, const LayerWeights& weights, const Choices& choices);

  const LayerAttributes& attributes() const { return attributes_; }
  // Of a run on an X of this shape.
  Geometry geometry(const int64_t* x_shape) const;
  size_t workspace_bytes(const Geometry& g) const { return plan_of(g).bytes; }
  // Of X, Z and Y.
  int element_bytes() const { return choices_.element == ZAPONNX_CUDA_ELEMENT_FLOAT16 ? 2 : 4; }
  // Whether the kernels read X in place, in vectors.
  bool reads_vectors(const Geometry& g) const { return plan_.tiles && !plan_of(g).staged; }
  void run(const Geometry& g, const DeviceActivations& activations, void* workspace, cudaStream_t stream) const;
  zaponnx_cuda_work read_work(const Geometry& g, const void* workspace, cudaStream_t stream) const;

 private:
  RunPlan plan_of(const Geometry& g) const;
  void run_tiles(const Geometry& g, const DeviceActivations& activations, void* workspace, cudaStream_t stream) const;
  void run_reference(const Geometry& g, const DeviceActivations& activations, cudaStream_t stream) const;
  Activation activation(const void* data) const;
  PatternTable pattern() const;

  LayerAttributes attributes_;
  std::array<int64_t, 4> w_shape_;
  Choices choices_;
  Device device_;
  LayerPlan plan_;
  std::vector<int> before_;  // the pattern's counts, on the host
  DeviceMemory memory_;
  struct {
    size_t weights, bias, predictor, tile, before;
  } offsets_;
};

}  // namespace zaponnx::cuda
