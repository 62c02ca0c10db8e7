#include "kernels/two_path/two_path.h"

#include <algorithm>
#include <cstring>

#include "kernels/activate/clipped.h"
#include "kernels/stages/stages.h"
#include "kernels/two_path/plan.h"

namespace zaponnx {
namespace {

// One per thread, kept between calls.
struct Workspace {
  PixelTable pixels;
  Buffer<float> residual, scratch, sums;
  Buffer<OutputBlock> block;
  Buffer<uint8_t> list;
  uint16_t mask[kLargestTile];
};

struct Call {
  const Geometry& g;
  const Plan& plan;
  const Activations& activations;
  float* patches;  // as Plan::patch_offset has them
  float* known;    // NHWC maps of the pattern's outputs; Y itself if that is NHWC
  int64_t maps;    // of `known`, which the images use in turn
};

class TwoPath final : public PreparedLayer {
 public:
  TwoPath(const VectorKernels& kernels, const LayerAttributes& attributes, const LayerWeights& w, int64_t wave_floats)
      : kernels_(kernels),
        attributes_(attributes),
        wave_floats_(wave_floats),
        bias_(w.B, w.B + w.shape[0]),
        weights_(attributes, w, kernels.lanes),
        predictors_(attributes, w, kernels.lanes) {}

  void run(const Geometry& g, const Activations& activations, const Parallel& parallel, Memory& memory) const override {
    const Plan plan(g, attributes_, weights_, wave_floats_);
    Array<float> patches(memory, plan.patch_floats());
    const int64_t maps = nhwc() ? g.batch : plan.images();
    Array<float> known(memory, nhwc() ? 0 : maps * g.out_channels * g.out_height * g.out_width);
    const Call call{g, plan, activations, patches.data(), nhwc() ? activations.y : known.data(), maps};
    Stages stages(plan.waves, plan.slots, !plan.fused,
                  [&](Step step, int64_t wave) { return step == Step::kPack ? plan.patches(wave) : plan.tasks(wave); });
    parallel(stages.jobs(), [&](size_t job) {
      stages.run(static_cast<int64_t>(job), [&](const Stage& stage, int64_t index) {
        if (stage.step == Step::kPack) return pack(call, stage.wave, index);
        const Task task = plan.task(stage.wave, index);
        if (stage.step == Step::kCompute) compute_pattern(call, task, workspace());
        if (stage.step == Step::kRest || plan.fused) compute_rest(call, task, workspace());
      });
    });
  }

 private:
  using Task = Plan::Task;

  bool nhwc() const { return attributes_.layout == Layout::kNhwc; }

  static Workspace& workspace() {
    thread_local Workspace workspace;
    return workspace;
  }

  void pack(const Call& call, int64_t wave, int64_t index) const {
    const Geometry& g = call.g;
    const Plan& plan = call.plan;
    const int64_t patch = index % plan.unit_patches;
    const int64_t unit = wave * plan.wave_units + index / plan.unit_patches;
    const int64_t first = patch % weights_.chunks() * weights_.chunk();
    const int64_t group = patch / weights_.chunks();
    const ImageStrides strides(attributes_.layout, g.in_channels, g.in_height * g.in_width);
    const float* image = call.activations.x + unit / plan.grid.count * g.in_channels * g.in_height * g.in_width;
    const int64_t channels = std::min<int64_t>(g.group_in_channels - first, weights_.chunk());
    plan.layout.pack(kernels_, image + (group * g.group_in_channels + first) * strides.channel, strides, channels,
                     plan.grid[unit % plan.grid.count], call.patches + plan.patch_offset(unit, patch));
  }

  // The task's first channel within all output channels.
  static int64_t first_channel(const Call& call, const Task& task) {
    return task.group * call.g.group_out_channels + task.first_channel;
  }

  ImageStrides output_strides(const Call& call) const {
    return {attributes_.layout, call.g.out_channels, call.g.out_height * call.g.out_width};
  }

  // Where Y and Z have the task's first channel of pixel (0, 0).
  int64_t first_output(const Call& call, const Task& task) const {
    const Geometry& g = call.g;
    return task.image * g.out_channels * g.out_height * g.out_width +
           first_channel(call, task) * output_strides(call).channel;
  }

  // The map's pixel (0, 0) at the task's first channel.
  float* known_outputs(const Call& call, const Task& task) const {
    const Geometry& g = call.g;
    return call.known + task.image % call.maps * g.out_height * g.out_width * g.out_channels +
           first_channel(call, task);
  }

  // compute(patch, weights, accumulate) for each chunk of input channels.
  template <typename Compute>
  void for_each_chunk(const Call& call, const Task& task, const Compute& compute) const {
    for (int32_t chunk = 0; chunk < weights_.chunks(); ++chunk) {
      compute(call.patches + call.plan.patch_offset(task.unit, task.group * weights_.chunks() + chunk),
              weights_.at(task.group, chunk, task.first_channel), chunk > 0);
    }
  }

  void compute_pattern(const Call& call, const Task& task, Workspace& space) const {
    PixelTable& pixels = space.pixels;
    call.plan.list_pixels(task.tile, true, pixels);
    float* known = known_outputs(call, task);
    for_each_chunk(call, task, [&](const float* patch, const ChunkWeights& weights, bool accumulate) {
      kernels_.pattern_pixels({patch, pixels.patch, pixels.count, call.plan.layout.taps(), weights, task.channels,
                               known, pixels.map, call.g.out_channels, accumulate});
    });
    const float* residual = call.activations.residual;
    if (residual != nullptr) residual = nhwc() ? residual + first_output(call, task) : residual_tile(call, task, space);
    const float* bias = bias_.data() + first_channel(call, task);
    for (int32_t i = 0; i < pixels.count; ++i) {
      const int64_t at = pixels.map[i] * call.g.out_channels;
      const int64_t in_tile = (pixels.tile[i].row * task.tile.columns + pixels.tile[i].column) * task.channels;
      const float* added = residual == nullptr ? nullptr : residual + (nhwc() ? at : in_tile);
      kernels_.activate({known + at, bias, added, task.channels, attributes_.bound});
    }
  }

  // The task's part of an NCHW Z as [row][column][channel].
  const float* residual_tile(const Call& call, const Task& task, Workspace& space) const {
    const Tile& tile = task.tile;
    const int64_t plane = call.g.out_height * call.g.out_width;
    float* to = space.residual.reserve(tile.rows * tile.columns * task.channels);
    const float* from = call.activations.residual + first_output(call, task) + tile.top * call.g.out_width + tile.left;
    for (int32_t row = 0; row < tile.rows; ++row) {
      kernels_.transpose(from + row * call.g.out_width, plane, to + row * tile.columns * task.channels, task.channels,
                         task.channels, tile.columns);
    }
    return to;
  }

  void compute_rest(const Call& call, const Task& task, Workspace& space) const {
    const Geometry& g = call.g;
    const Tile& tile = task.tile;
    PixelTable& pixels = space.pixels;
    call.plan.list_pixels(tile, false, pixels);
    const ImageStrides strides = output_strides(call);
    float* known = known_outputs(call, task);
    float* y = call.activations.y + first_output(call, task);
    const PixelLists lists = predict(call, task, known, space);
    for (int32_t i = 0; i < pixels.count; ++i) {
      std::memset(known + pixels.map[i] * g.out_channels, 0, task.channels * sizeof(float));
    }
    if (!nhwc()) {
      for (int64_t row = tile.top; row < tile.top + tile.rows; ++row) {
        const int64_t first_pixel = row * g.out_width + tile.left;
        kernels_.transpose(known + first_pixel * g.out_channels, g.out_channels, y + first_pixel, strides.channel,
                           tile.columns, task.channels);
      }
    }
    if (lists.outputs == 0) return;
    float* sums = space.sums.reserve(lists.outputs);
    for_each_chunk(call, task, [&](const float* patch, const ChunkWeights& weights, bool accumulate) {
      kernels_.sparse_outputs({patch, pixels.patch, call.plan.layout.taps(), weights, lists.block, lists.blocks,
                               lists.list, sums, accumulate});
    });
    const float* bias = bias_.data() + first_channel(call, task);
    const float* residual =
        call.activations.residual == nullptr ? nullptr : call.activations.residual + first_output(call, task);
    const uint8_t* list = lists.list;
    for (const OutputBlock* block = lists.block; block != lists.block + lists.blocks; ++block) {
      for (const uint8_t* end = list + block->pixels; list != end; ++list) {
        const int64_t pixel = pixels.map[*list] * strides.pixel;
        for (int32_t c = block->channel, set = block->set; set != 0; ++c, set >>= 1) {
          if ((set & 1) == 0) continue;
          const int64_t at = c * strides.channel + pixel;
          float v = *sums++ + bias[c];
          if (residual != nullptr) v += residual[at];
          y[at] = clipped(v, attributes_.bound);
        }
      }
    }
  }

  // The outputs of the task that must be computed, in the workspace; the lists name its pixels.
  PixelLists predict(const Call& call, const Task& task, const float* known, Workspace& space) const {
    const Geometry& g = call.g;
    const Tile& tile = task.tile;
    const PixelTable& pixels = space.pixels;
    const int32_t lanes = kernels_.lanes;
    const size_t parameter_count = static_cast<size_t>(kPredictorVectors) * lanes;
    float* parameters = space.scratch.reserve(parameter_count + predictor_scratch(tile.rows, tile.columns, lanes));
    PixelLists lists{space.block.reserve(most_blocks(pixels.count) * divide_up(task.channels, 4)),
                     space.list.reserve(static_cast<size_t>(pixels.count) * task.channels + kListSlack)};
    std::fill(space.mask, space.mask + kLargestTile, uint16_t{0});
    for (int32_t c = 0; c < task.channels; c += lanes) {
      const int32_t channels = std::min(lanes, task.channels - c);
      predictors_.strip(first_channel(call, task) + c, parameters);
      kernels_.predict({known + c, g.out_channels, g.out_height, g.out_width, tile.top, tile.left, tile.rows,
                        tile.columns, call.plan.pattern.at(tile.top - 2, tile.left - 2), call.plan.pattern.stride(),
                        pixels.tile, pixels.count, channels, parameters, parameters + parameter_count, space.mask});
      append_pixel_lists(space.mask, pixels.count, c, channels, kernels_.block_pixels, lists);
    }
    return lists;
  }

  const VectorKernels& kernels_;
  LayerAttributes attributes_;
  int64_t wave_floats_;
  std::vector<float> bias_;
  PackedWeights weights_;
  PackedPredictors predictors_;
};

}  // namespace

std::unique_ptr<PreparedLayer> prepare_two_path(const VectorKernels& kernels, const LayerAttributes& attributes,
                                                const LayerWeights& weights, int64_t wave_floats) {
  return std::make_unique<TwoPath>(kernels, attributes, weights, wave_floats);
}

}  // namespace zaponnx
