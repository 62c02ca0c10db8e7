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
  int32_t patch[kLargestTile];   // offset in the patch of the first tap
  int32_t tile[kLargestTile];    // row and column in the tile
  int64_t output[kLargestTile];  // offset in the NHWC map of the output
};

// One per thread, kept between calls.
struct Workspace {
  PixelTable pixels;
  Buffer<float> scratch, sums;
  Buffer<int32_t> start;
  Buffer<uint8_t> in_pattern, list;
  uint16_t mask[kLargestTile];
};

// A call's activations in other layouts; belong to the calling thread, kept between calls.
struct Maps {
  Buffer<float> patches;      // [image][group][tile][chunk]
  Buffer<float> residual, y;  // NHWC
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

  void run_images(const Geometry& g, const Activations& a, const Parallel& parallel) const {
    thread_local Maps maps;
    const Plan plan(g, attributes_, weights_);
    const int64_t outputs = g.out_height * g.out_width;
    float* patches =
        maps.patches.reserve(g.batch * plan.groups * plan.grid.count * weights_.chunks() * plan.layout.size());
    float* y = maps.y.reserve(g.batch * g.out_channels * outputs);
    float* residual = nullptr;
    if (a.residual != nullptr) {
      residual = maps.residual.reserve(g.batch * g.out_channels * outputs);
      transpose_maps(a.residual, residual, g.batch, g.out_channels, outputs, parallel);
    }
    pack_patches(g, plan, a.x, patches, parallel);
    parallel(plan.count(), [&](size_t i) { compute_pattern(g, plan, plan[i], patches, residual, y); });
    parallel(plan.count(), [&](size_t i) { compute_rest(g, plan, plan[i], patches, residual, y); });
    transpose_maps(y, a.y, g.batch, outputs, g.out_channels, parallel);
  }

  void pack_patches(const Geometry& g, const Plan& plan, const float* x, float* patches,
                    const Parallel& parallel) const {
    const int64_t chunks = weights_.chunks();
    parallel(g.batch * plan.groups * plan.grid.count * chunks, [&](size_t i) {
      const int64_t index = static_cast<int64_t>(i);
      const int64_t first = index % chunks * weights_.chunk();
      const int64_t tile = index / chunks % plan.grid.count;
      const int64_t image_group = index / chunks / plan.grid.count;
      const int64_t channels = std::clamp<int64_t>(g.group_in_channels - first, 0, weights_.chunk());
      plan.layout.pack(kernels_, x + (image_group * g.group_in_channels + first) * g.in_height * g.in_width, channels,
                       plan.grid[tile], patches + index * plan.layout.size());
    });
  }

  static Workspace& workspace() {
    thread_local Workspace workspace;
    return workspace;
  }

  // `count` matrices of rows x columns, transposed in squares that fit L1.
  void transpose_maps(const float* from, float* to, int64_t count, int64_t rows, int64_t columns,
                      const Parallel& parallel) const {
    constexpr int64_t kSide = 64;
    const int64_t column_blocks = divide_up(columns, kSide);
    const int64_t blocks = divide_up(rows, kSide) * column_blocks;
    parallel(count * blocks, [&](size_t i) {
      const int64_t map = static_cast<int64_t>(i) / blocks * rows * columns;
      const int64_t row = static_cast<int64_t>(i) % blocks / column_blocks * kSide;
      const int64_t column = static_cast<int64_t>(i) % column_blocks * kSide;
      kernels_.transpose(from + map + row * columns + column, columns, to + map + column * rows + row, rows,
                         std::min(kSide, rows - row), std::min(kSide, columns - column));
    });
  }

  // Where the outputs of the task's first channel lie in an NHWC map of the output, at the map's pixel (0, 0).
  int64_t first_output(const Geometry& g, const Task& task) const {
    return task.image * g.out_height * g.out_width * g.out_channels + task.group * g.group_out_channels +
           task.first_channel;
  }

  // compute(patch, weights, accumulate) for each chunk of input channels.
  template <typename Compute>
  void for_each_chunk(const Plan& plan, const Task& task, const float* patches, const Compute& compute) const {
    const int64_t tile = (task.image * plan.groups + task.group) * plan.grid.count + task.tile_index;
    for (int32_t chunk = 0; chunk < weights_.chunks(); ++chunk) {
      compute(patches + (tile * weights_.chunks() + chunk) * plan.layout.size(),
              weights_.at(task.group, chunk, task.first_channel), chunk > 0);
    }
  }

  const PixelTable& list_pixels(const Geometry& g, const Plan& plan, const Tile& tile, bool in_pattern) const {
    PixelTable& pixels = workspace().pixels;
    pixels.count = 0;
    for (int32_t row = 0; row < tile.rows; ++row) {
      for (int32_t column = 0; column < tile.columns; ++column) {
        if (attributes_.pattern.at(tile.top + row, tile.left + column) != in_pattern) continue;
        pixels.patch[pixels.count] = plan.layout.pixel_offset(row, column);
        pixels.tile[pixels.count] = row << 16 | column;
        pixels.output[pixels.count++] = ((tile.top + row) * g.out_width + tile.left + column) * g.out_channels;
      }
    }
    return pixels;
  }

  void compute_pattern(const Geometry& g, const Plan& plan, const Task& task, const float* patches,
                       const float* residual, float* y) const {
    const PixelTable& pixels = list_pixels(g, plan, task.tile, true);
    const int64_t first = first_output(g, task);
    for_each_chunk(plan, task, patches, [&](const float* patch, const ChunkWeights& weights, bool accumulate) {
      kernels_.pattern_pixels({patch, pixels.patch, pixels.count, plan.layout.taps(), weights, task.channels, y + first,
                               pixels.output, accumulate});
    });
    const float* bias = bias_.data() + task.group * g.group_out_channels + task.first_channel;
    for (int32_t i = 0; i < pixels.count; ++i) {
      const int64_t at = first + pixels.output[i];
      kernels_.activate(
          {y + at, bias, residual == nullptr ? nullptr : residual + at, task.channels, attributes_.bound});
    }
  }

  void compute_rest(const Geometry& g, const Plan& plan, const Task& task, const float* patches, const float* residual,
                    float* y) const {
    const PixelTable& pixels = list_pixels(g, plan, task.tile, false);
    float* y_task = y + first_output(g, task);
    for (int32_t i = 0; i < pixels.count; ++i) {
      std::memset(y_task + pixels.output[i], 0, task.channels * sizeof(float));
    }
    predict(g, task, pixels, y_task);
    Workspace& space = workspace();
    const uint8_t* list = space.list.data();
    const int32_t* start = space.start.data();
    if (start[task.channels] == 0) return;
    float* sums = space.sums.reserve(start[task.channels]);
    for_each_chunk(plan, task, patches, [&](const float* patch, const ChunkWeights& weights, bool accumulate) {
      kernels_.sparse_outputs(
          {patch, pixels.patch, plan.layout.taps(), weights, task.channels, list, start, sums, accumulate});
    });
    const float* bias = bias_.data() + task.group * g.group_out_channels + task.first_channel;
    const float* residual_task = residual == nullptr ? nullptr : residual + first_output(g, task);
    for (int32_t c = 0; c < task.channels; ++c) {
      for (int32_t i = start[c]; i < start[c + 1]; ++i) {
        const int64_t at = pixels.output[list[i]] + c;
        float v = sums[i] + bias[c];
        if (residual_task != nullptr) v += residual_task[at];
        v = v < 0.0f ? 0.0f : v;
        y_task[at] = v > attributes_.bound ? attributes_.bound : v;
      }
    }
  }

  // Fills the workspace's lists with the outputs of the task that must be computed, as indices into `pixels`.
  void predict(const Geometry& g, const Task& task, const PixelTable& pixels, const float* y_task) const {
    Workspace& space = workspace();
    const Tile& tile = task.tile;
    const int32_t lanes = kernels_.lanes;
    const uint8_t* in_pattern = mark_pattern(g, tile);
    const size_t parameter_count = static_cast<size_t>(kPredictorVectors) * lanes;
    float* parameters = space.scratch.reserve(parameter_count + predictor_scratch(tile.rows, tile.columns, lanes));
    uint8_t* list = space.list.reserve(static_cast<size_t>(pixels.count) * task.channels + kListSlack);
    int32_t* start = space.start.reserve(task.channels + 1);
    std::fill(space.mask, space.mask + kLargestTile, uint16_t{0});
    start[0] = 0;
    for (int32_t c = 0; c < task.channels; c += lanes) {
      const int32_t channels = std::min(lanes, task.channels - c);
      predictors_.strip(task.group * g.group_out_channels + task.first_channel + c, parameters);
      kernels_.predict({y_task + c, g.out_channels, g.out_height, g.out_width, tile.top, tile.left, tile.rows,
                        tile.columns, in_pattern, pixels.tile, pixels.count, channels, parameters,
                        parameters + parameter_count, space.mask});
      append_pixel_lists(space.mask, pixels.count, channels, list, start + c);
    }
  }

  // The tile and two pixels around it: 1 where a pixel is in the map and in the pattern.
  const uint8_t* mark_pattern(const Geometry& g, const Tile& tile) const {
    uint8_t* marks = workspace().in_pattern.reserve((tile.rows + 4) * (tile.columns + 4));
    uint8_t* mark = marks;
    for (int64_t row = tile.top - 2; row < tile.top + tile.rows + 2; ++row) {
      for (int64_t column = tile.left - 2; column < tile.left + tile.columns + 2; ++column) {
        const bool inside = row >= 0 && row < g.out_height && column >= 0 && column < g.out_width;
        *mark++ = inside && attributes_.pattern.at(row, column);
      }
    }
    return marks;
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
