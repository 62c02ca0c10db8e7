// Scalar reference: the formula of ZapConv, output by output, with no packing and no vector code.
//
//   R = min(relu(Conv(X, W, B) [+ Z]), bound)      S = R where pattern, else 0
//   V = dwconv3x3(relu(dwconv3x3(S, P1, p1)), P2, p2), zero padding 1
//   compute = pattern or not (V <= threshold)      Y = R where compute, else 0
//
// NCHW in and out; any stride, pad, dilation, group and kernel size. It skips what the formula skips, so that its
// results do not depend on outputs that are not to be computed.
#pragma once

#include "kernels/kernel.h"

namespace zaponnx {

std::unique_ptr<PreparedLayer> prepare_reference(const LayerAttributes& attributes, const LayerWeights& weights);

}  // namespace zaponnx
