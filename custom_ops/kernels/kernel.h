// A kernel is one implementation of ZapConv. kernel_list.cc lists them all, best first; selection, tests and benchmarks
// go through that one list.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/layer.h"
#include "core/memory.h"
#include "core/parallel.h"

namespace zaponnx {

// Activations of one call, all float32 in the layer's layout, contiguous, not overlapping.
struct Activations {
  const float* x;
  const float* residual;  // null if there is none
  float* y;
};

// A layer made ready by a kernel. Immutable, shared by concurrent calls.
class PreparedLayer {
 public:
  virtual ~PreparedLayer() = default;
  // The batch is not 0. Throws std::bad_alloc.
  virtual void run(const Geometry& geometry, const Activations& activations, const Parallel& parallel,
                   Memory& memory) const = 0;
};

struct Kernel {
  const char* name;     // as in ZAPONNX_ISA
  bool (*supported)();  // by this machine
  // Copies what it needs of the weights, which may go away afterwards.
  std::unique_ptr<PreparedLayer> (*prepare)(const LayerAttributes& attributes, const LayerWeights& weights);
};

// All kernels of this build, best first. The last is the scalar reference, which runs everywhere.
const std::vector<Kernel>& kernel_list();

// The best kernel that this machine supports, or the one named by the environment variable ZAPONNX_ISA. Throws
// std::invalid_argument if that name is unknown or the machine does not support it.
const Kernel& select_kernel();

}  // namespace zaponnx
