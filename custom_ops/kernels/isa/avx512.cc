#include "kernels/isa/instantiate.h"
#include "kernels/isa/vector_avx512.h"

namespace zaponnx {

const VectorKernels kAvx512Kernels = vector_kernels<Avx512>();

}  // namespace zaponnx
