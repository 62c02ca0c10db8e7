// The table of an instruction set, from the generic loops.
#pragma once

#include "kernels/pattern_pixels/pattern_pixels.h"
#include "kernels/predictor/predictor.h"
#include "kernels/sparse_outputs/sparse_outputs.h"
#include "kernels/transpose/transpose.h"

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
    float v = args.out[i] + args.bias[i];
    if (args.residual != nullptr) v += args.residual[i];
    v = v < 0.0f ? 0.0f : v;
    args.out[i] = v > args.bound ? args.bound : v;
  }
}

template <typename Isa>
constexpr VectorKernels vector_kernels() {
  return {Isa::kLanes, pattern_pixels<Isa>, sparse_outputs<Isa>, predict<Isa>, activate<Isa>, transpose<Isa>};
}

}  // namespace zaponnx
