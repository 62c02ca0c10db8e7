#include "core/layer.h"

#include <limits>
#include <stdexcept>

namespace zaponnx {
namespace {

[[noreturn]] void refuse(const std::string& sentence) { throw std::invalid_argument("ZapConv: " + sentence); }

// So that products of two never overflow 64 bits.
constexpr int64_t kLargest = std::numeric_limits<int32_t>::max();

template <size_t Count>
void check_range(const char* name, const std::array<int64_t, Count>& values, int64_t least) {
  for (int64_t value : values) {
    if (value < least || value > kLargest) {
      refuse("attribute " + std::string(name) + " has the value " + std::to_string(value) + "; it must be from " +
             std::to_string(least) + " to " + std::to_string(kLargest) + ".");
    }
  }
}

int64_t output_extent(int64_t input, int64_t pads, int64_t kernel_extent, int64_t stride) {
  const int64_t room = input + pads - kernel_extent;
  return room < 0 ? 0 : room / stride + 1;
}

}  // namespace

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text = "(";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + ")";
}

void check_attributes(const LayerAttributes& attributes) {
  check_range("strides", attributes.strides, 1);
  check_range("dilations", attributes.dilations, 1);
  check_range("pads", attributes.pads, 0);
  check_range<1>("group", {attributes.group}, 1);
  check_range<1>("channels", {attributes.channels}, 1);
  const Pattern& pattern = attributes.pattern;
  check_range<2>("pattern_shape", {pattern.rows, pattern.columns}, 1);
  const auto entries = static_cast<int64_t>(pattern.tile.size());
  if (entries % pattern.rows != 0 || entries / pattern.rows != pattern.columns) {
    refuse("attribute pattern has " + std::to_string(entries) + " entries, but pattern_shape is " +
           shape_text({pattern.rows, pattern.columns}) + "; it must have one for each row and column.");
  }
  const auto count = static_cast<int64_t>(attributes.threshold.size());
  if (count != 1 && count != attributes.channels) {
    refuse("attribute threshold has " + std::to_string(count) + " values; it must have 1 or one per output channel (" +
           std::to_string(attributes.channels) + ").");
  }
  if (!(attributes.bound >= 0.0f)) {
    refuse("attribute bound is " + std::to_string(attributes.bound) + "; it must not be negative.");
  }
}

void check_shape(const char* input, const std::vector<int64_t>& actual, const std::vector<int64_t>& expected) {
  if (actual != expected) {
    refuse("input " + std::string(input) + " has the shape " + shape_text(actual) + "; it must have the shape " +
           shape_text(expected) + ".");
  }
}

void check_weight_shape(const LayerAttributes& attributes, const std::vector<int64_t>& w_shape) {
  if (w_shape.size() != 4) {
    refuse("input W has the shape " + shape_text(w_shape) + "; it must have 4 dimensions (M, C/group, kH, kW).");
  }
  for (int64_t extent : w_shape) {
    if (extent < 1) refuse("input W has the shape " + shape_text(w_shape) + "; no dimension may be 0.");
  }
  if (w_shape[0] != attributes.channels) {
    refuse("input W has " + std::to_string(w_shape[0]) + " output channels, but attribute channels is " +
           std::to_string(attributes.channels) + ".");
  }
  if (w_shape[0] % attributes.group != 0) {
    refuse("input W has " + std::to_string(w_shape[0]) + " output channels, which attribute group " +
           std::to_string(attributes.group) + " does not divide.");
  }
}

Geometry make_geometry(const LayerAttributes& attributes, const std::array<int64_t, 4>& w_shape,
                       const std::vector<int64_t>& x_shape) {
  const bool nchw = attributes.layout == Layout::kNchw;
  if (x_shape.size() != 4) {
    refuse("input X has the shape " + shape_text(x_shape) + "; it must have 4 dimensions " +
           (nchw ? "(N, C, H, W)." : "(N, H, W, C)."));
  }
  for (size_t i = 1; i < 4; ++i) {
    if (x_shape[i] < 1) refuse("input X has the shape " + shape_text(x_shape) + "; only the batch may be 0.");
  }
  if (x_shape[0] < 0) {
    refuse("input X has the shape " + shape_text(x_shape) + "; the batch must not be negative.");
  }
  const int64_t channels = x_shape[nchw ? 1 : 3];
  if (channels != w_shape[1] * attributes.group) {
    refuse("input X has " + std::to_string(channels) + " channels, but W with the shape " +
           shape_text({w_shape.begin(), w_shape.end()}) + " and group " + std::to_string(attributes.group) +
           " asks for " + std::to_string(w_shape[1] * attributes.group) + ".");
  }
  Geometry g{};
  g.batch = x_shape[0];
  g.in_channels = channels;
  g.in_height = x_shape[nchw ? 2 : 1];
  g.in_width = x_shape[nchw ? 3 : 2];
  g.out_channels = w_shape[0];
  g.kernel_height = w_shape[2];
  g.kernel_width = w_shape[3];
  g.group_in_channels = w_shape[1];
  g.group_out_channels = w_shape[0] / attributes.group;
  const auto& pads = attributes.pads;
  const int64_t kernel_rows = attributes.dilations[0] * (g.kernel_height - 1) + 1;
  const int64_t kernel_columns = attributes.dilations[1] * (g.kernel_width - 1) + 1;
  g.out_height = output_extent(g.in_height, pads[0] + pads[2], kernel_rows, attributes.strides[0]);
  g.out_width = output_extent(g.in_width, pads[1] + pads[3], kernel_columns, attributes.strides[1]);
  if (g.out_height < 1 || g.out_width < 1) {
    refuse("input X has the shape " + shape_text(x_shape) +
           ", which with its pads is smaller than the dilated kernel " + shape_text({kernel_rows, kernel_columns}) +
           ".");
  }
  if (g.out_height > kLargest / g.out_width) {
    refuse("input X has the shape " + shape_text(x_shape) + ", which gives an output map of more than " +
           std::to_string(kLargest) + " pixels.");
  }
  return g;
}

std::vector<int64_t> output_shape(const LayerAttributes& attributes, const Geometry& g) {
  if (attributes.layout == Layout::kNchw) return {g.batch, g.out_channels, g.out_height, g.out_width};
  return {g.batch, g.out_height, g.out_width, g.out_channels};
}

}  // namespace zaponnx
