#include "kernels/isa/instantiate.h"
#include "kernels/isa/vector_neon.h"

namespace zaponnx {

const VectorKernels kNeonKernels = vector_kernels<Neon>();

}  // namespace zaponnx
