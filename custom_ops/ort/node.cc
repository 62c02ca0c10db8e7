#include "ort/node.h"

#include <algorithm>
#include <cmath>

namespace zaponnx {
namespace {

// In the order of the operator's inputs.
constexpr const char* kInputNames[] = {"X", "W", "B", "P1", "p1", "P2", "p2", "Z"};

template <typename T, size_t Count>
std::array<T, Count> exactly(const char* name, const std::vector<T>& values) {
  if (values.size() != Count) {
    throw std::invalid_argument("ZapConv: attribute " + std::string(name) + " has " + std::to_string(values.size()) +
                                " values; it must have " + std::to_string(Count) + ".");
  }
  std::array<T, Count> result{};
  std::copy(values.begin(), values.end(), result.begin());
  return result;
}

// The attribute, or an error that names it: ORT's own says only that some attribute is not defined.
template <typename T>
T read(const char* name, T (Ort::ConstKernelInfo::*get)(const char*) const, const Ort::ConstKernelInfo& info) {
  try {
    return (info.*get)(name);
  } catch (const Ort::Exception& error) {
    throw std::invalid_argument("ZapConv: attribute " + std::string(name) + " is missing or of a wrong type (" +
                                error.what() + ").");
  }
}

}  // namespace

LayerAttributes read_attributes(const Ort::ConstKernelInfo& info, Layout layout) {
  auto integers = [&](const char* name) {
    return read<std::vector<int64_t>>(name, &Ort::ConstKernelInfo::GetAttributes<int64_t>, info);
  };
  auto integer = [&](const char* name) {
    return read<int64_t>(name, &Ort::ConstKernelInfo::GetAttribute<int64_t>, info);
  };
  LayerAttributes attributes;
  attributes.layout = layout;
  attributes.strides = exactly<int64_t, 2>("strides", integers("strides"));
  attributes.dilations = exactly<int64_t, 2>("dilations", integers("dilations"));
  attributes.pads = exactly<int64_t, 4>("pads", integers("pads"));
  attributes.group = integer("group");
  attributes.channels = integer("channels");
  attributes.bound = read<float>("bound", &Ort::ConstKernelInfo::GetAttribute<float>, info);
  attributes.threshold = read<std::vector<float>>("threshold", &Ort::ConstKernelInfo::GetAttributes<float>, info);
  const auto shape = exactly<int64_t, 2>("pattern_shape", integers("pattern_shape"));
  attributes.pattern.rows = shape[0];
  attributes.pattern.columns = shape[1];
  for (int64_t entry : integers("pattern")) attributes.pattern.tile.push_back(entry != 0);
  check_attributes(attributes);
  return attributes;
}

LayerWeights check_weights(const LayerAttributes& attributes, const std::vector<Ort::ConstValue>& values) {
  std::vector<const float*> data;
  for (size_t i = 0; i < kWeights; ++i) {
    const auto shape = values[i].GetTensorTypeAndShapeInfo().GetShape();
    const int64_t m = attributes.channels;
    if (i == 0) {
      check_weight_shape(attributes, shape);
    } else if (i == 2 || i == 4) {
      check_shape(kInputNames[kFirstWeight + i], shape, {m, 1, 3, 3});
    } else {
      check_shape(kInputNames[kFirstWeight + i], shape, {m});
    }
    data.push_back(values[i].GetTensorData<float>());
  }
  // Padding multiplies weights by zeros, which must stay zeros.
  const size_t count = values[0].GetTensorTypeAndShapeInfo().GetElementCount();
  if (!std::all_of(data[0], data[0] + count, [](float value) { return std::isfinite(value); })) {
    throw std::invalid_argument("ZapConv: input W has a value that is infinite or not a number.");
  }
  const auto w_shape = exactly<int64_t, 4>("W", values[0].GetTensorTypeAndShapeInfo().GetShape());
  return {w_shape, data[0], data[1], data[2], data[3], data[4], data[5]};
}

std::vector<Ort::ConstValue> constant_weights(const Ort::ConstKernelInfo& info) {
  std::vector<Ort::ConstValue> values;
  for (size_t i = 0; i < kWeights; ++i) {
    int is_constant = 0;
    const Ort::ConstValue value = info.GetTensorConstantInput(kFirstWeight + i, &is_constant);
    if (!is_constant) return {};
    values.push_back(value);
  }
  return values;
}

std::vector<Ort::ConstValue> weights_of(const Ort::KernelContext& context) {
  std::vector<Ort::ConstValue> values;
  for (size_t i = 0; i < kWeights; ++i) values.push_back(context.GetInput(kFirstWeight + i));
  return values;
}

void infer_output_shape(OrtShapeInferContext* raw_context, Layout layout) {
  const OrtApi& api = Ort::GetApi();
  Ort::ShapeInferContext context(&api, raw_context);
  const auto x = context.GetInputShape(0);
  const auto w = context.GetInputShape(1);
  const auto strides = exactly<int64_t, 2>("strides", context.GetAttrInts("strides"));
  const auto dilations = exactly<int64_t, 2>("dilations", context.GetAttrInts("dilations"));
  const auto pads = exactly<int64_t, 4>("pads", context.GetAttrInts("pads"));
  if (x.size() != 4 || w.size() != 4 || !w[0].IsInt() || (x[0].IsInt() && x[0].AsInt() < 0)) return;
  const size_t channel_axis = layout == Layout::kNchw ? 1 : 3;
  const size_t first_spatial_axis = layout == Layout::kNchw ? 2 : 1;
  std::array<int64_t, 4> extents{x[0].IsInt() ? x[0].AsInt() : -1};
  extents[channel_axis] = w[0].AsInt();
  const std::array<const char*, 4> names{x[0].IsInt() ? "" : x[0].AsSym(), "", "", ""};
  for (size_t axis = 0; axis < 2; ++axis) {
    const auto extent = x[axis + first_spatial_axis];
    const auto kernel = w[axis + 2];
    if (!extent.IsInt() || !kernel.IsInt() || extent.AsInt() < 0) return;
    const int64_t room = extent.AsInt() + pads[axis] + pads[axis + 2] - dilations[axis] * (kernel.AsInt() - 1) - 1;
    if (strides[axis] < 1 || room < 0) return;
    extents[axis + first_spatial_axis] = room / strides[axis] + 1;
  }
  // By hand: the headers' SetOutputShape writes -2 for a dimension with a name, which later versions of ORT refuse.
  OrtTensorTypeAndShapeInfo* info = nullptr;
  Ort::ThrowOnError(api.CreateTensorTypeAndShapeInfo(&info));
  const Ort::TensorTypeAndShapeInfo owner(info);
  Ort::ThrowOnError(api.SetTensorElementType(info, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT));
  Ort::ThrowOnError(api.SetDimensions(info, extents.data(), extents.size()));
  Ort::ThrowOnError(api.SetSymbolicDimensions(info, const_cast<const char**>(names.data()), names.size()));
  Ort::ThrowOnError(api.ShapeInferContext_SetOutputTypeShape(raw_context, 0, info));
}

}  // namespace zaponnx
