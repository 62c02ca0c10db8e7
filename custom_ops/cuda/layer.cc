#include "cuda/layer.h"

#include <algorithm>
#include <cmath>

#include "core/memory.h"
#include "cuda/packing.h"

namespace zaponnx::cuda {
namespace {

// Loads the layer's kernels onto the device, so that no run does, and asks how much of it they take.
Device load_kernels(const LayerPlan& plan, bool activations_are_half) {
  Device device;
  int index = 0;
  check("asking for the current device", cudaGetDevice(&index));
  check("asking for the device's size",
        cudaDeviceGetAttribute(&device.multiprocessors, cudaDevAttrMultiProcessorCount, index));
  if (!plan.tiles) {
    check("loading the kernels", load_reference_kernels());
    return device;
  }
  check("loading the kernels", load_tiles_kernel(plan.products, kLargeTile, &device.large_tiles_at_once));
  check("loading the kernels", load_tiles_kernel(plan.products, kMediumTile, &device.medium_tiles_at_once));
  check("loading the kernels", load_tiles_kernel(plan.products, kSmallTile, &device.small_tiles_at_once));
  check("loading the kernels", load_list_kernel());
  check("loading the kernels", load_staging_kernel());
  check("loading the kernels", load_prediction_kernel(activations_are_half));
  check("loading the kernels", load_elements_kernel(plan.operand_bytes() == 2));
  return device;
}

Architecture device_architecture() {
  int index = 0;
  Architecture found{};
  check("asking for the current device", cudaGetDevice(&index));
  check("asking for the device's architecture",
        cudaDeviceGetAttribute(&found.major, cudaDevAttrComputeCapabilityMajor, index));
  check("asking for the device's architecture",
        cudaDeviceGetAttribute(&found.minor, cudaDevAttrComputeCapabilityMinor, index));
  return found;
}

}  // namespace

void DeviceMemory::fill(const std::vector<unsigned char>& bytes) {
  check("allocating the weights' memory", cudaMalloc(&data_, bytes.size()));
  check("uploading the weights", cudaMemcpy(data_, bytes.data(), bytes.size(), cudaMemcpyHostToDevice));
  // A copy from pageable memory may return before it has arrived, and non-blocking streams do not wait for it.
  check("waiting for the weights", cudaStreamSynchronize(nullptr));
}

Layer::Layer(const LayerAttributes& attributes, const LayerWeights& weights, const Choices& choices)
    : attributes_(attributes),
      w_shape_(weights.shape),
      choices_(choices),
      plan_(plan_layer(attributes, weights.shape, choices, device_architecture())),
      before_(count_before(attributes.pattern)) {
  const int64_t count = w_shape_[0] * w_shape_[1] * w_shape_[2] * w_shape_[3];
  std::vector<unsigned char> bytes;
  auto append = [&](const void* data, size_t size) {
    const size_t offset = round_up(bytes.size(), 256);
    bytes.resize(offset + size);
    std::copy_n(static_cast<const unsigned char*>(data), size, bytes.begin() + offset);
    return offset;
  };
  if (plan_.tiles) {
    const auto packed = pack_weights(plan_, attributes_, w_shape_, weights.W);
    offsets_.weights = append(packed.data(), packed.size());
  } else {
    if (!std::all_of(weights.W, weights.W + count, [](float value) { return std::isfinite(value); })) {
      throw std::invalid_argument("ZapConv: input W has a value that is infinite or not a number.");
    }
    offsets_.weights = append(weights.W, count * sizeof(float));
  }
  const auto predictor = pack_predictor(attributes_, weights);
  offsets_.bias = append(weights.B, w_shape_[0] * sizeof(float));
  offsets_.predictor = append(predictor.data(), predictor.size() * sizeof(float));
  offsets_.tile = append(attributes_.pattern.tile.data(), attributes_.pattern.tile.size());
  offsets_.before = append(before_.data(), before_.size() * sizeof(int));
  device_ = load_kernels(plan_, choices.element == ZAPONNX_CUDA_ELEMENT_FLOAT16);
  memory_.fill(bytes);
}

Geometry Layer::geometry(const int64_t* x_shape) const {
  return make_geometry(attributes_, w_shape_, {x_shape, x_shape + 4});
}

RunPlan Layer::plan_of(const Geometry& g) const {
  if (g.batch == 0) return {};
  const PatternTable table{static_cast<int>(attributes_.pattern.rows), static_cast<int>(attributes_.pattern.columns),
                           attributes_.pattern.tile.data(), before_.data()};
  return plan_run(plan_, attributes_, g, table, choices_.element, device_);
}

Activation Layer::activation(const void* data) const {
  return {data, choices_.element == ZAPONNX_CUDA_ELEMENT_FLOAT16, attributes_.layout == Layout::kNhwc};
}

PatternTable Layer::pattern() const {
  return {static_cast<int>(attributes_.pattern.rows), static_cast<int>(attributes_.pattern.columns),
          memory_.at(offsets_.tile), reinterpret_cast<const int*>(memory_.at(offsets_.before))};
}

void Layer::run(const Geometry& g, const DeviceActivations& activations, void* workspace, cudaStream_t stream) const {
  if (g.batch == 0) return;
  if (plan_.tiles) {
    run_tiles(g, activations, workspace, stream);
  } else {
    run_reference(g, activations, stream);
  }
}

void Layer::run_tiles(const Geometry& g, const DeviceActivations& activations, void* workspace,
                      cudaStream_t stream) const {
  const RunPlan plan = plan_of(g);
  auto at = [&](size_t offset) { return static_cast<unsigned char*>(workspace) + offset; };
  auto ints = [&](size_t offset) { return reinterpret_cast<int*>(at(offset)); };
  int* const pattern_count = ints(plan.counters);
  int* const tile_counts = pattern_count + 1;
  int* const element_counts = tile_counts + plan_.blocks;
  const Slices slices{reinterpret_cast<float*>(at(plan.partial)), element_counts + plan_.blocks};

  Convolution conv{};
  conv.batch = static_cast<int>(g.batch);
  conv.in_height = static_cast<int>(g.in_height);
  conv.in_width = static_cast<int>(g.in_width);
  conv.out_height = static_cast<int>(g.out_height);
  conv.out_width = static_cast<int>(g.out_width);
  conv.group = static_cast<int>(attributes_.group);
  conv.group_in_channels = static_cast<int>(g.group_in_channels);
  conv.group_out_channels = static_cast<int>(g.group_out_channels);
  conv.kernel_height = static_cast<int>(g.kernel_height);
  conv.kernel_width = static_cast<int>(g.kernel_width);
  conv.stride_rows = static_cast<int>(attributes_.strides[0]);
  conv.stride_columns = static_cast<int>(attributes_.strides[1]);
  conv.pad_top = static_cast<int>(attributes_.pads[0]);
  conv.pad_left = static_cast<int>(attributes_.pads[1]);
  conv.dilation_rows = static_cast<int>(attributes_.dilations[0]);
  conv.dilation_columns = static_cast<int>(attributes_.dilations[1]);
  conv.padded_channels = plan_.padded_channels;
  conv.vectors = plan_.vectors;
  conv.chunks = plan_.chunks;
  conv.group_blocks = plan_.group_blocks;
  conv.blocks = plan_.blocks;
  conv.operand = plan.staged ? at(plan.operand) : activations.x;
  conv.weights = memory_.at(offsets_.weights);
  conv.bias = reinterpret_cast<const float*>(memory_.at(offsets_.bias));
  conv.z = activation(activations.z);
  conv.y = activation(activations.y);
  conv.bound = attributes_.bound;

  check("listing the pattern",
        launch_list(conv.batch, conv.out_height, conv.out_width, pattern(), ints(plan.pattern_list), pattern_count,
                    pattern_count + 1, plan.counter_count - 1, stream));
  if (plan.staged) {
    const Staging staging{
        activation(activations.x), g.in_height * g.in_width,   conv.batch,      conv.group, conv.group_in_channels,
        conv.padded_channels,      plan_.operand_bytes() == 2, at(plan.operand)};
    check("staging X", launch_staging(staging, stream));
  }
  if (plan.pattern_pixels > 0) {
    const PixelLists lists{ints(plan.pattern_list), nullptr, pattern_count, 0, 0};
    check("computing the pattern",
          launch_tiles(plan_.products, plan.pattern.tile_pixels, plan.pattern.blocks, conv, lists, slices, stream));
  }
  if (plan.other_pixels == 0) return;
  const RemainingWork work{ints(plan.other_list), reinterpret_cast<uint64_t*>(at(plan.other_masks)),
                           tile_counts,           element_counts,
                           plan.other_pixels,     plan_.element_channels};
  const Predictor predictor{reinterpret_cast<const float*>(memory_.at(offsets_.predictor))};
  check("predicting", launch_prediction(conv, pattern(), predictor, work, stream));
  if (plan_.element_channels < kBlockChannels) {
    const PixelLists lists{work.pixels, work.masks, tile_counts, plan.other_pixels, 1};
    check("computing tiles",
          launch_tiles(plan_.products, plan.others.tile_pixels, plan.others.blocks, conv, lists, slices, stream));
  }
  if (plan_.element_channels > 0) {
    check("computing elements", launch_elements(plan_.operand_bytes() == 2, plan.element_blocks, conv, work, stream));
  }
}

void Layer::run_reference(const Geometry& g, const DeviceActivations& activations, cudaStream_t stream) const {
  const auto floats = [&](size_t offset) { return reinterpret_cast<const float*>(memory_.at(offset)); };
  const Reference layer{g.batch,
                        g.in_channels,
                        g.in_height,
                        g.in_width,
                        g.out_channels,
                        g.out_height,
                        g.out_width,
                        g.kernel_height,
                        g.kernel_width,
                        g.group_in_channels,
                        g.group_out_channels,
                        attributes_.strides[0],
                        attributes_.strides[1],
                        attributes_.pads[0],
                        attributes_.pads[1],
                        attributes_.dilations[0],
                        attributes_.dilations[1],
                        floats(offsets_.weights),
                        floats(offsets_.bias),
                        {floats(offsets_.predictor)},
                        pattern(),
                        activation(activations.x),
                        activation(activations.z),
                        activation(activations.y),
                        attributes_.bound};
  check("computing", launch_reference(layer, stream));
}

zaponnx_cuda_work Layer::read_work(const Geometry& g, const void* workspace, cudaStream_t stream) const {
  zaponnx_cuda_work work{};
  if (!plan_.tiles || g.batch == 0) return work;
  const RunPlan plan = plan_of(g);
  std::vector<int> counters(1 + 2 * plan_.blocks);
  check("reading the counters", cudaMemcpyAsync(counters.data(), static_cast<const char*>(workspace) + plan.counters,
                                                counters.size() * sizeof(int), cudaMemcpyDeviceToHost, stream));
  check("waiting for the stream", cudaStreamSynchronize(stream));
  work.pattern = int64_t{counters[0]} * plan_.blocks;
  for (int block = 0; block < plan_.blocks; ++block) {
    work.tiles += counters[1 + block];
    work.elements += counters[1 + plan_.blocks + block];
  }
  work.outside = plan.other_pixels * plan_.blocks;
  return work;
}

}  // namespace zaponnx::cuda
