// Bias, residual, ReLU and bound over contiguous outputs, in place, with a scalar tail.
#pragma once

#include "kernels/activate/clipped.h"
#include "kernels/vector_kernels.h"

namespace zaponnx {

template <typename Isa>
void activate(const ActivateArgs& args) {
  const typename Isa::Vector bound = Isa::broadcast(args.bound);
  int64_t i = 0;
  for (; i + Isa::kLanes <= args.count; i += Isa::kLanes) {
    typename Isa::Vector v = Isa::add(Isa::load(args.out + i), Isa::load(args.bias + i));
    if (args.residual != nullptr) v = Isa::add(v, Isa::load(args.residual + i));
    Isa::store(args.out + i, Isa::min(bound, Isa::max(Isa::zero(), v)));
  }
  for (; i < args.count; ++i) {
    const float added = args.residual == nullptr ? 0.0f : args.residual[i];
    args.out[i] = clipped(args.out[i] + args.bias[i] + added, args.bound);
  }
}

}  // namespace zaponnx
