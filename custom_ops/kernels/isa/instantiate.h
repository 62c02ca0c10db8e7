// The table of an instruction set, from the generic loops.
#pragma once

#include "kernels/activate/activate.h"
#include "kernels/pattern_pixels/pattern_pixels.h"
#include "kernels/predictor/predictor.h"
#include "kernels/sparse_outputs/sparse_outputs.h"
#include "kernels/transpose/transpose.h"
#include "kernels/winograd/loops.h"

namespace zaponnx {

template <typename Isa>
constexpr VectorKernels vector_kernels() {
  return {Isa::kLanes,
          pattern_pixels<Isa>,
          {Isa::kBlockPixels[0], Isa::kBlockPixels[1], Isa::kBlockPixels[2], Isa::kBlockPixels[3]},
          sparse_outputs<Isa>,
          predict<Isa>,
          activate<Isa>,
          transpose<Isa>,
          Isa::kLanes * Isa::kProductVectors,
          winograd_products<Isa>,
          {winograd_inputs<Isa, 2>, winograd_outputs<Isa, 2>},
          {winograd_inputs<Isa, 4>, winograd_outputs<Isa, 4>}};
}

}  // namespace zaponnx
