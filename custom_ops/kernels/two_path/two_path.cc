#include "kernels/two_path/two_path.h"

#include <algorithm>
#include <cstring>

#include "kernels/two_path/pixel_lists.h"
#include "kernels/two_path/plan.h"

namespace zaponnx {
namespace {

// The pixels of a tile that are in the pattern, or those that are not, in row-major order.
struct PixelTable {
  int32_t count;
  int32_t patch[kLargestTile];  // offset in the patch of the first tap
  int32_t tile[kLargestTile];   // row and column in the tile: row << 16 | column
  int32_t map[kLargestTile];    // row and column in the map: row * width + column
};

// One per thread, kept between calls.
struct Workspace {
  PixelTable pixels;
  Buffer<float> residual, scratch, sums;
  Buffer<int32_t> start;
  Buffer<uint8_t> list;
  uint16_t mask[kLargestTile];
};

// Belong to the thread that makes a call, kept between calls.
struct Maps {
  Buffer<float> patches;  // [image][group][tile][chunk]
  Buffer<float> known;    // the pattern's outputs, NHWC; other pixels are never written
};

// What the tasks of one call share.
struct Call {
  const Geometry& g;
  const Plan& plan;
  const Activations& activations;
  float* patches;
  float* known;
};

class TwoPath final : public PreparedLayer {
 public:
  TwoPath(const VectorKernels& kernels, const LayerAttributes& attributes, const LayerWeights& w)
      : kernels_(kernels),
        attributes_(attributes),
        bias_(w.B, w.B + w.shape[0]),
        weights_(attributes, w, kernels.lanes),
        predictors_(attributes, w, kernels.lanes) {}

  void run(const Geometry& g, const Activations& a, const Parallel& parallel) const override {
    // As many images at a time as keep the patches small.
    constexpr size_t kPatches = size_t{8} << 20;  // floats
    const Plan one(with_batch(g, 1), attributes_, weights_);
    const size_t patches = one.groups * one.grid.count * weights_.chunks() * one.layout.size();
    const auto images = static_cast<int64_t>(std::clamp<size_t>(kPatches / patches, 1, g.batch));
    const int64_t inputs = g.in_channels * g.in_height * g.in_width;
    const int64_t outputs = g.out_channels * g.out_height * g.out_width;
    for (int64_t n = 0; n < g.batch; n += images) {
      run_images(with_batch(g, std::min(images, g.batch - n)),
                 {a.x + n * inputs, a.residual == nullptr ? nullptr : a.residual + n * outputs, a.y + n * outputs},
                 parallel);
    }
  }

 private:
  using Task = Plan::Task;

  static Geometry with_batch(Geometry g, int64_t batch) {
    g.batch = batch;
    return g;
  }

  void run_images(const Geometry& g, const Activations& activations, const Parallel& parallel) const {
    thread_local Maps maps;
    const Plan plan(g, attributes_, weights_);
    const int64_t patches = plan.images * plan.groups * plan.grid.count * weights_.chunks();
    const Call call{g, plan, activations, maps.patches.reserve(patches * plan.layout.size()),
                    maps.known.reserve(g.batch * g.out_channels * g.out_height * g.out_width)};
    parallel(patches, [&](size_t i) { pack_patch(call, static_cast<int64_t>(i)); });
    if (plan.grid.count == 1) {  // then a prediction depends on its own task alone
      parallel(plan.count(), [&](size_t i) {
        const Task task = plan[i];
        compute_pattern(call, task, workspace());
        compute_rest(call, task, workspace());
      });
    } else {
      parallel(plan.count(), [&](size_t i) { compute_pattern(call, plan[i], workspace()); });
      parallel(plan.count(), [&](size_t i) { compute_rest(call, plan[i], workspace()); });
    }
  }

  static Workspace& workspace() {
    thread_local Workspace workspace;
    return workspace;
  }

  void pack_patch(const Call& call, int64_t index) const {
    const Geometry& g = call.g;
    const int64_t chunks = weights_.chunks();
    const int64_t first = index % chunks * weights_.chunk();
    const int64_t tile = index / chunks % call.plan.grid.count;
    const int64_t image_group = index / chunks / call.plan.grid.count;
    const int64_t channels = std::clamp<int64_t>(g.group_in_channels - first, 0, weights_.chunk());
    const float* planes = call.activations.x + (image_group * g.group_in_channels + first) * g.in_height * g.in_width;
    call.plan.layout.pack(kernels_, planes, channels, call.plan.grid[tile],
                          call.patches + index * call.plan.layout.size());
  }

  // The task's first channel within all output channels.
  static int64_t first_channel(const Call& call, const Task& task) {
    return task.group * call.g.group_out_channels + task.first_channel;
  }

  // Where the task's first channel begins in an NCHW tensor of outputs.
  static int64_t first_plane(const Call& call, const Task& task) {
    const Geometry& g = call.g;
    return (task.image * g.out_channels + first_channel(call, task)) * g.out_height * g.out_width;
  }

  // The map's pixel (0, 0) at the task's first channel.
  static float* known_outputs(const Call& call, const Task& task) {
    const Geometry& g = call.g;
    return call.known + task.image * g.out_height * g.out_width * g.out_channels + first_channel(call, task);
  }

  // The tile's pixels that are in the pattern, or those that are not.
  static const PixelTable& list_pixels(const Call& call, const Tile& tile, bool in_pattern, PixelTable& pixels) {
    pixels.count = 0;
    for (int32_t row = 0; row < tile.rows; ++row) {
      const uint8_t* marks = call.plan.pattern.at(tile.top + row, tile.left);
      for (int32_t column = 0; column < tile.columns; ++column) {
        if ((marks[column] != 0) != in_pattern) continue;
        pixels.patch[pixels.count] = call.plan.layout.pixel_offset(row, column);
        pixels.tile[pixels.count] = row << 16 | column;
        pixels.map[pixels.count++] = static_cast<int32_t>((tile.top + row) * call.g.out_width + tile.left + column);
      }
    }
    return pixels;
  }

  // compute(patch, weights, accumulate) for each chunk of input channels.
  template <typename Compute>
  void for_each_chunk(const Call& call, const Task& task, const Compute& compute) const {
    const Plan& plan = call.plan;
    const int64_t tile = (task.image * plan.groups + task.group) * plan.grid.count + task.tile_index;
    for (int32_t chunk = 0; chunk < weights_.chunks(); ++chunk) {
      compute(call.patches + (tile * weights_.chunks() + chunk) * plan.layout.size(),
              weights_.at(task.group, chunk, task.first_channel), chunk > 0);
    }
  }

  void compute_pattern(const Call& call, const Task& task, Workspace& space) const {
    const PixelTable& pixels = list_pixels(call, task.tile, true, space.pixels);
    float* known = known_outputs(call, task);
    for_each_chunk(call, task, [&](const float* patch, const ChunkWeights& weights, bool accumulate) {
      kernels_.pattern_pixels({patch, pixels.patch, pixels.count, call.plan.layout.taps(), weights, task.channels,
                               known, pixels.map, call.g.out_channels, accumulate});
    });
    const float* residual = call.activations.residual == nullptr ? nullptr : residual_tile(call, task, space);
    const float* bias = bias_.data() + first_channel(call, task);
    for (int32_t i = 0; i < pixels.count; ++i) {
      const int32_t row = pixels.tile[i] >> 16;
      const int32_t column = pixels.tile[i] & 0xFFFF;
      const float* added =
          residual == nullptr ? nullptr : residual + (row * task.tile.columns + column) * task.channels;
      kernels_.activate({known + pixels.map[i] * call.g.out_channels, bias, added, task.channels, attributes_.bound});
    }
  }

  // The task's part of Z as [row][column][channel].
  const float* residual_tile(const Call& call, const Task& task, Workspace& space) const {
    const Tile& tile = task.tile;
    const int64_t plane = call.g.out_height * call.g.out_width;
    float* to = space.residual.reserve(tile.rows * tile.columns * task.channels);
    const float* from = call.activations.residual + first_plane(call, task) + tile.top * call.g.out_width + tile.left;
    for (int32_t row = 0; row < tile.rows; ++row) {
      kernels_.transpose(from + row * call.g.out_width, plane, to + row * tile.columns * task.channels, task.channels,
                         task.channels, tile.columns);
    }
    return to;
  }

  void compute_rest(const Call& call, const Task& task, Workspace& space) const {
    const Geometry& g = call.g;
    const Tile& tile = task.tile;
    const PixelTable& pixels = list_pixels(call, tile, false, space.pixels);
    const int64_t plane = g.out_height * g.out_width;
    float* known = known_outputs(call, task);
    float* y = call.activations.y + first_plane(call, task);
    predict(call, task, known, space);
    for (int32_t i = 0; i < pixels.count; ++i) {
      std::memset(known + pixels.map[i] * g.out_channels, 0, task.channels * sizeof(float));
    }
    for (int64_t row = tile.top; row < tile.top + tile.rows; ++row) {
      const int64_t first_pixel = row * g.out_width + tile.left;
      kernels_.transpose(known + first_pixel * g.out_channels, g.out_channels, y + first_pixel, plane, tile.columns,
                         task.channels);
    }
    const uint8_t* list = space.list.data();
    const int32_t* start = space.start.data();
    if (start[task.channels] == 0) return;
    float* sums = space.sums.reserve(start[task.channels]);
    for_each_chunk(call, task, [&](const float* patch, const ChunkWeights& weights, bool accumulate) {
      kernels_.sparse_outputs(
          {patch, pixels.patch, call.plan.layout.taps(), weights, task.channels, list, start, sums, accumulate});
    });
    const float* bias = bias_.data() + first_channel(call, task);
    const float* residual =
        call.activations.residual == nullptr ? nullptr : call.activations.residual + first_plane(call, task);
    for (int32_t c = 0; c < task.channels; ++c) {
      for (int32_t i = start[c]; i < start[c + 1]; ++i) {
        const int64_t at = c * plane + pixels.map[list[i]];
        float v = sums[i] + bias[c];
        if (residual != nullptr) v += residual[at];
        v = v < 0.0f ? 0.0f : v;
        y[at] = v > attributes_.bound ? attributes_.bound : v;
      }
    }
  }

  // Fills the workspace's lists with the outputs of the task that must be computed, as indices into its pixels.
  void predict(const Call& call, const Task& task, const float* known, Workspace& space) const {
    const Geometry& g = call.g;
    const Tile& tile = task.tile;
    const PixelTable& pixels = space.pixels;
    const int32_t lanes = kernels_.lanes;
    const size_t parameter_count = static_cast<size_t>(kPredictorVectors) * lanes;
    float* parameters = space.scratch.reserve(parameter_count + predictor_scratch(tile.rows, tile.columns, lanes));
    uint8_t* list = space.list.reserve(static_cast<size_t>(pixels.count) * task.channels + kListSlack);
    int32_t* start = space.start.reserve(task.channels + 1);
    std::fill(space.mask, space.mask + kLargestTile, uint16_t{0});
    start[0] = 0;
    for (int32_t c = 0; c < task.channels; c += lanes) {
      const int32_t channels = std::min(lanes, task.channels - c);
      predictors_.strip(first_channel(call, task) + c, parameters);
      kernels_.predict({known + c, g.out_channels, g.out_height, g.out_width, tile.top, tile.left, tile.rows,
                        tile.columns, call.plan.pattern.at(tile.top - 2, tile.left - 2), call.plan.pattern.stride(),
                        pixels.tile, pixels.count, channels, parameters, parameters + parameter_count, space.mask});
      append_pixel_lists(space.mask, pixels.count, channels, list, start + c);
    }
  }

  const VectorKernels& kernels_;
  LayerAttributes attributes_;
  std::vector<float> bias_;
  PackedWeights weights_;
  PackedPredictors predictors_;
};

}  // namespace

std::unique_ptr<PreparedLayer> prepare_two_path(const VectorKernels& kernels, const LayerAttributes& attributes,
                                                const LayerWeights& weights) {
  return std::make_unique<TwoPath>(kernels, attributes, weights);
}

}  // namespace zaponnx
