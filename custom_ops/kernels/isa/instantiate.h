// The table of an instruction set, from the generic loops.
#pragma once

#include "kernels/activate/activate.h"
#include "kernels/pattern_pixels/pattern_pixels.h"
#include "kernels/predictor/predictor.h"
#include "kernels/sparse_outputs/sparse_outputs.h"
#include "kernels/transpose/transpose.h"

namespace zaponnx {

template <typename Isa>
constexpr VectorKernels vector_kernels() {
  return {Isa::kLanes, pattern_pixels<Isa>, sparse_outputs<Isa>, predict<Isa>, activate<Isa>, transpose<Isa>};
}

}  // namespace zaponnx
