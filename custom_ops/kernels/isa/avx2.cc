#include "kernels/isa/instantiate.h"
#include "kernels/isa/vector_avx2.h"

namespace zaponnx {

const VectorKernels kAvx2Kernels = vector_kernels<Avx2>();

}  // namespace zaponnx
