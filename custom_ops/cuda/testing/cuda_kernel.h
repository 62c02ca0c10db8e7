// The CUDA half as a kernel that the formula's checks can run: on the GPU, or emulated.
#pragma once

#include "cuda/cuda.h"
#include "cuda/plan.h"
#include "testing/formula.h"

namespace zaponnx::testing {

// Strict products, element by element where few of a block's channels are needed.
constexpr cuda::Choices kStrict{ZAPONNX_CUDA_ELEMENT_FLOAT32, ZAPONNX_CUDA_PRECISION_FLOAT32, ZAPONNX_CUDA_METHOD_TILES,
                                ZAPONNX_CUDA_ELEMENT_CHANNELS_DEFAULT};

// By way of the C interface, with activations and a workspace of exactly the sizes asked for. Valid until the next
// call.
const Kernel& cuda_kernel(const cuda::Choices& choices);

// What the last run of the kernel did.
const zaponnx_cuda_work& last_work();

// The C structure for a layer; points into both arguments.
zaponnx_cuda_layer_description description_of(const LayerAttributes& attributes, const LayerWeights& weights,
                                              const cuda::Choices& choices);

#ifdef ZAPONNX_EMULATED_CUDA
// Sets the emulation's settings for a scope.
class Emulating {
 public:
  explicit Emulating(const cuda::emulation::Settings& settings) : before_(cuda::emulation::settings()) {
    cuda::emulation::settings() = settings;
  }
  Emulating(const Emulating&) = delete;
  Emulating& operator=(const Emulating&) = delete;
  ~Emulating() { cuda::emulation::settings() = before_; }

 private:
  cuda::emulation::Settings before_;
};
#endif

}  // namespace zaponnx::testing
