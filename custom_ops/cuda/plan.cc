#include "cuda/plan.h"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>

#include "core/memory.h"

namespace zaponnx::cuda {
namespace {

[[noreturn]] void refuse(const std::string& sentence) { throw std::invalid_argument("ZapConv on CUDA: " + sentence); }

constexpr int64_t kLargestInt = std::numeric_limits<int32_t>::max();
// Of offsets in X and of K, so that sums of a few dozen stay in 32 bits, and products with a vector's elements.
constexpr int64_t kLargestOffset = 1 << 24;
// With fewer channels most of a channel block would be padding.
constexpr int64_t kLeastChannels = 8;

void check_choice(const char* name, int value, int least, int most) {
  if (value < least || value > most) {
    refuse(std::string(name) + " is " + std::to_string(value) + "; it must be from " + std::to_string(least) + " to " +
           std::to_string(most) + ".");
  }
}

// Why the tiles cannot compute the layer, "" if they can.
std::string beyond_tiles(const LayerAttributes& attributes, const std::array<int64_t, 4>& w_shape) {
  for (int axis = 0; axis < 2; ++axis) {
    const int64_t reach = attributes.dilations[axis] * w_shape[2 + axis];
    if (reach > kLargestOffset || attributes.strides[axis] > kLargestOffset || attributes.pads[axis] > kLargestOffset ||
        attributes.pads[axis + 2] > kLargestOffset) {
      return "strides, pads or dilations are beyond 2^24";
    }
  }
  const int64_t k = w_shape[2] * w_shape[3];
  if (k > kLargestOffset || w_shape[1] > kLargestOffset / k || attributes.channels > kLargestOffset) {
    return "W is too large";
  }
  return "";
}

// As measured on an H200: see docs/gpu.md.
int default_element_channels(Products products) {
  return products == Products::kPlain || products == Products::kSplit ? 4 : 0;
}

Products products_of(int precision, const Architecture& architecture) {
  if (precision == ZAPONNX_CUDA_PRECISION_FLOAT16) return Products::kHalf;
  if (precision == ZAPONNX_CUDA_PRECISION_TF32 && architecture.has_tf32()) return Products::kTf32;
  return architecture.has_fast_tf32() ? Products::kSplit : Products::kPlain;
}

// The largest tiles that keep the GPU busy, as measured on an H200: large ones where all blocks that it holds have as
// many; medium ones, in up to kMaxMediumSlices slices, where there are enough for three blocks on every other
// multiprocessor; else small ones, in as many slices as give each multiprocessor a block or two. There are no more
// blocks than tiles and slices: those without work would leave the others on fewer multiprocessors.
TileLaunch launch_of(const LayerPlan& layer, int64_t pixels, const Device& device) {
  constexpr int64_t kMaxMediumSlices = 8;
  const int64_t multiprocessors = device.multiprocessors;
  const int64_t most = std::clamp(layer.chunks / kLeastSliceChunks, 1, kMaxSlices);
  const auto tiles_of = [&](int tile_pixels) {
    return std::max<int64_t>(1, divide_up(pixels, tile_pixels) * layer.blocks);
  };
  const int64_t large = tiles_of(kLargeTile);
  const int64_t room = multiprocessors * device.large_tiles_at_once;
  if (10 * large >= 9 * round_up(large, room)) return {kLargeTile, std::min(large, room)};
  const int64_t medium = tiles_of(kMediumTile);
  int64_t slices = std::clamp<int64_t>(3 * multiprocessors / medium, 1, std::min(most, kMaxMediumSlices));
  if (2 * medium * slices >= 3 * multiprocessors) {
    return {kMediumTile, std::min(medium * slices, multiprocessors * device.medium_tiles_at_once)};
  }
  const int64_t small = tiles_of(kSmallTile);
  slices = std::clamp<int64_t>(multiprocessors * 3 / 2 / small, 1, most);
  return {kSmallTile, std::min(small * slices, multiprocessors * device.small_tiles_at_once)};
}

}  // namespace

LayerPlan plan_layer(const LayerAttributes& attributes, const std::array<int64_t, 4>& w_shape, const Choices& choices,
                     const Architecture& architecture) {
  check_choice("element", choices.element, 0, ZAPONNX_CUDA_ELEMENT_FLOAT16);
  check_choice("precision", choices.precision, 0, ZAPONNX_CUDA_PRECISION_FLOAT16);
  check_choice("method", choices.method, 0, ZAPONNX_CUDA_METHOD_TILES);
  check_choice("element_channels", choices.element_channels, ZAPONNX_CUDA_ELEMENT_CHANNELS_DEFAULT, kBlockChannels);
  if (choices.element == ZAPONNX_CUDA_ELEMENT_FLOAT16 && choices.precision != ZAPONNX_CUDA_PRECISION_FLOAT16) {
    refuse("elements are float16, but precision is not; it must be, too.");
  }
  LayerPlan plan{};
  plan.products = products_of(choices.precision, architecture);
  plan.element_channels = choices.element_channels;
  if (plan.element_channels == ZAPONNX_CUDA_ELEMENT_CHANNELS_DEFAULT) {
    plan.element_channels = default_element_channels(plan.products);
  }
  const std::string beyond = beyond_tiles(attributes, w_shape);
  const int64_t group_channels = w_shape[0] / attributes.group;
  if (choices.method == ZAPONNX_CUDA_METHOD_TILES) {
    if (!beyond.empty()) refuse(beyond + ", which method TILES cannot compute; use AUTO.");
    plan.tiles = true;
  } else {
    plan.tiles = choices.method == ZAPONNX_CUDA_METHOD_AUTO && beyond.empty() && group_channels >= kLeastChannels;
  }
  if (!plan.tiles) return plan;
  const int64_t vector_elements = kVectorBytes / plan.operand_bytes();
  plan.padded_channels = static_cast<int>(round_up(w_shape[1], vector_elements));
  plan.vectors = static_cast<int>(w_shape[2] * w_shape[3] * (plan.padded_channels / vector_elements));
  plan.chunks = static_cast<int>(divide_up(plan.vectors, kChunkVectors));
  plan.group_blocks = static_cast<int>(divide_up(group_channels, kBlockChannels));
  plan.blocks = static_cast<int>(plan.group_blocks * attributes.group);
  return plan;
}

RunPlan plan_run(const LayerPlan& layer, const LayerAttributes& attributes, const Geometry& g,
                 const PatternTable& pattern, int element, const Device& device) {
  RunPlan plan{};
  if (!layer.tiles) return plan;
  const int64_t in_pixels = g.in_height * g.in_width;
  const int64_t out_pixels = g.out_height * g.out_width;
  const int64_t operand_channels = attributes.group * layer.padded_channels;
  // Products that the kernels form in 32 bits, a list's length rounded up to tiles, and the extents of their grids.
  const bool fits =
      g.in_height <= kLargestOffset && g.in_width <= kLargestOffset && in_pixels <= kLargestInt / g.batch &&
      out_pixels <= (kLargestInt - kLargeTile) / g.batch / layer.blocks && operand_channels <= kLargestInt &&
      divide_up(in_pixels, kSmallTile) * g.batch <= kLargestInt / divide_up(operand_channels, kSmallTile);
  if (!fits) {
    refuse("X has the shape " + shape_text({g.batch, g.in_channels, g.in_height, g.in_width}) +
           ", which is too large for one run; divide the batch.");
  }
  const int image_pattern = before_row(pattern, static_cast<int>(g.out_width), static_cast<int>(g.out_height));
  plan.pattern_pixels = static_cast<int>(g.batch * image_pattern);
  plan.other_pixels = g.batch * (out_pixels - image_pattern);
  const bool same_type = (element == ZAPONNX_CUDA_ELEMENT_FLOAT16) == (layer.operand_bytes() == 2);
  plan.staged = !same_type || attributes.layout != Layout::kNhwc || layer.padded_channels != g.group_in_channels;
  plan.pattern = launch_of(layer, plan.pattern_pixels, device);
  plan.others = launch_of(layer, plan.other_pixels, device);
  constexpr int64_t kElementWarps = 32;  // that a multiprocessor holds
  constexpr int64_t kBlockWarps = 4;
  plan.element_blocks = std::min(device.multiprocessors * kElementWarps / kBlockWarps,
                                 divide_up(plan.other_pixels * layer.blocks, kBlockWarps));
  const int64_t grid = std::max(plan.pattern.blocks, plan.others.blocks);
  plan.counter_count = static_cast<int>(1 + 2 * int64_t{layer.blocks} + grid);

  auto reserve = [&](int64_t bytes) {
    const size_t offset = plan.bytes;
    plan.bytes += round_up(bytes, 256);
    return offset;
  };
  plan.operand = reserve(plan.staged ? g.batch * in_pixels * operand_channels * layer.operand_bytes() : 0);
  plan.pattern_list = reserve(plan.pattern_pixels * int64_t{sizeof(int)});
  plan.other_list = reserve(layer.blocks * plan.other_pixels * int64_t{sizeof(int)});
  plan.other_masks = reserve(layer.blocks * plan.other_pixels * int64_t{sizeof(uint64_t)});
  plan.counters = reserve(plan.counter_count * int64_t{sizeof(int)});
  const bool sliced = layer.chunks >= 2 * kLeastSliceChunks;
  const int64_t sums =
      std::max(plan.pattern.blocks * plan.pattern.tile_pixels, plan.others.blocks * plan.others.tile_pixels) *
      kBlockChannels;
  plan.partial = reserve(sliced ? sums * int64_t{sizeof(float)} : 0);
  return plan;
}

}  // namespace zaponnx::cuda
