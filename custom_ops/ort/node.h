// What the operators of all providers share: attributes, weights, shape inference and errors.
#pragma once

#include <array>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/layer.h"
#include "ort/api.h"

namespace zaponnx {

// Of the operator's inputs: X is the first, then come the weights from W to p2, then Z in the residual form.
constexpr size_t kFirstWeight = 1;
constexpr size_t kWeights = 6;

constexpr const char* operator_name(bool residual, Layout layout) {
  if (layout == Layout::kNhwc) return residual ? "ZapConvResidualNhwc" : "ZapConvNhwc";
  return residual ? "ZapConvResidual" : "ZapConv";
}

// What went wrong, as the status that ORT reports to the user.
template <typename Body>
OrtStatusPtr guard(const Body& body) noexcept {
  try {
    body();
    return nullptr;
  } catch (const Ort::Exception& error) {
    return Ort::GetApi().CreateStatus(error.GetOrtErrorCode(), error.what());
  } catch (const std::invalid_argument& error) {
    return Ort::GetApi().CreateStatus(ORT_INVALID_ARGUMENT, error.what());
  } catch (const std::bad_alloc&) {
    return Ort::GetApi().CreateStatus(ORT_RUNTIME_EXCEPTION, "ZapConv: there is not enough memory.");
  } catch (const std::exception& error) {
    return Ort::GetApi().CreateStatus(ORT_RUNTIME_EXCEPTION, (std::string("ZapConv: ") + error.what()).c_str());
  } catch (...) {
    return Ort::GetApi().CreateStatus(ORT_RUNTIME_EXCEPTION, "ZapConv: unknown error.");
  }
}

// Checked; throws std::invalid_argument with a sentence that names the attribute.
LayerAttributes read_attributes(const Ort::ConstKernelInfo& info, Layout layout);

// Checks the weights, which are kWeights tensors in the order of the inputs from W on. Throws std::invalid_argument.
LayerWeights check_weights(const LayerAttributes& attributes, const std::vector<Ort::ConstValue>& values);

// The node's weights, or none where not all are constant.
std::vector<Ort::ConstValue> constant_weights(const Ort::ConstKernelInfo& info);

// The same for one call.
std::vector<Ort::ConstValue> weights_of(const Ort::KernelContext& context);

// Y has X's batch, W's output channels, and the spatial extents of Conv, if these are known and the batch is or has a
// name; ORT has no way to say that an extent is unknown. What is wrong is left to the kernel, which says it: ORT
// ignores an error from here.
void infer_output_shape(OrtShapeInferContext* raw_context, Layout layout);

}  // namespace zaponnx
