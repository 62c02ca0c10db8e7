// The loops of the two paths over one layer, apart from all else that the layer does.
#pragma once

#include <cmath>
#include <random>

#include "benchmark/team.h"
#include "kernels/two_path/plan.h"
#include "kernels/two_path/two_path.h"

namespace zaponnx {

// The vector loops of a kernel, or null if it has none.
inline const VectorKernels* vector_kernels_of(const std::string& isa) {
#if defined(__x86_64__)
  if (isa == "avx2") return &kAvx2Kernels;
  if (isa == "avx512") return &kAvx512Kernels;
#elif defined(__aarch64__)
  if (isa == "neon") return &kNeonKernels;
#endif
  return nullptr;
}

inline std::vector<float> random_floats(int64_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> values(-1, 1);
  std::vector<float> floats(count);
  for (float& value : floats) value = values(generator);
  return floats;
}

// A square layer with random weights.
struct Layer {
  const VectorKernels& kernels;
  LayerAttributes attributes;
  std::vector<float> W, depthwise, bias;
  LayerWeights weights;
  Geometry geometry;

  Layer(const char* isa, int64_t in, int64_t out, int64_t size, int64_t kernel, int64_t stride, int64_t pad,
        char pattern)
      : kernels(*vector_kernels_of(isa)),
        W(random_floats(out * in * kernel * kernel, 1)),
        depthwise(random_floats(out * 9, 2)),
        bias(out, 0.0f) {
    attributes.strides = {stride, stride};
    attributes.dilations = {1, 1};
    attributes.pads = {pad, pad, pad, pad};
    attributes.channels = out;
    if (pattern == 'B') {
      attributes.pattern = {2, 2, {1, 0, 0, 1}};
    } else {
      attributes.pattern = {3, 3, {0, 0, 1, 0, 1, 0, 1, 0, 0}};
    }
    attributes.threshold = {0};
    attributes.bound = INFINITY;
    weights = {{out, in, kernel, kernel}, W.data(),   bias.data(), depthwise.data(), bias.data(),
               depthwise.data(),          bias.data()};
    geometry = make_geometry(attributes, weights.shape, {1, in, size, size});
  }

  // Of the map, those in the pattern.
  int64_t known_pixels() const {
    int64_t count = 0;
    for (int64_t row = 0; row < geometry.out_height; ++row) {
      for (int64_t column = 0; column < geometry.out_width; ++column) count += attributes.pattern.at(row, column);
    }
    return count;
  }
};

class PathLoops {
 public:
  struct UnitPixels {
    PixelTable pattern, rest;
  };

  explicit PathLoops(const Layer& layer)
      : layer_(layer),
        packed_(layer.attributes, layer.weights, layer.kernels.lanes),
        plan_(layer.geometry, layer.attributes, packed_, kWaveFloats),
        x_(random_floats(layer.geometry.in_channels * layer.geometry.in_height * layer.geometry.in_width, 3)) {
    const Geometry& g = layer.geometry;
    pixels_.resize(plan_.grid.count);
    float* patches = patches_.reserve(plan_.grid.count * plan_.unit_patches * plan_.layout.size());
    known_.reserve(g.out_channels * g.out_height * g.out_width);
    for (int64_t unit = 0; unit < plan_.grid.count; ++unit) {
      const Tile tile = plan_.grid[unit];
      for (int64_t chunk = 0; chunk < packed_.chunks(); ++chunk) {
        const int64_t first = chunk * packed_.chunk();
        plan_.layout.pack(layer.kernels, x_.data() + first * g.in_height * g.in_width,
                          {Layout::kNchw, g.in_channels, g.in_height * g.in_width},
                          std::min<int64_t>(packed_.chunk(), g.in_channels - first), tile,
                          patches + (unit * packed_.chunks() + chunk) * plan_.layout.size());
      }
      UnitPixels& pixels = pixels_[unit];
      plan_.list_pixels(tile, true, pixels.pattern);
      plan_.list_pixels(tile, false, pixels.rest);
    }
  }

  double output_macs() const {
    const Geometry& g = layer_.geometry;
    return static_cast<double>(g.in_channels * g.kernel_height * g.kernel_width);
  }
  double pattern_macs() const { return layer_.known_pixels() * layer_.geometry.out_channels * output_macs(); }
  const UnitPixels& pixels(int64_t unit) const { return pixels_[unit]; }
  int64_t tasks() const { return plan_.tasks(0) * (plan_.waves - 1) + plan_.tasks(plan_.waves - 1); }
  Plan::Task task(int64_t index) const { return plan_.task(index / plan_.tasks(0), index % plan_.tasks(0)); }

  void pattern(const Team& team) const {
    team(tasks(), [&](size_t i) {
      const Plan::Task task = this->task(static_cast<int64_t>(i));
      const PixelTable& pixels = pixels_[task.unit].pattern;
      for_each_chunk(task, [&](const float* patch, const ChunkWeights& weights, bool accumulate) {
        layer_.kernels.pattern_pixels({patch, pixels.patch, pixels.count, plan_.layout.taps(), weights, task.channels,
                                       const_cast<float*>(known_.data()) + task.first_channel, pixels.map,
                                       layer_.geometry.out_channels, accumulate});
      });
    });
  }

  template <typename Masks>
  void sparse(const Masks& masks, const Team& team) const {
    team(tasks(), [&](size_t i) {
      static thread_local Buffer<float> sums;
      const Plan::Task task = this->task(static_cast<int64_t>(i));
      const PixelLists& lists = masks.task(static_cast<int64_t>(i));
      if (lists.outputs == 0) return;
      sums.reserve(lists.outputs);
      for_each_chunk(task, [&](const float* patch, const ChunkWeights& weights, bool accumulate) {
        layer_.kernels.sparse_outputs({patch, pixels_[task.unit].rest.patch, plan_.layout.taps(), weights, lists.block,
                                       lists.blocks, lists.list, sums.data(), accumulate});
      });
    });
  }

 private:
  template <typename Compute>
  void for_each_chunk(const Plan::Task& task, const Compute& compute) const {
    for (int32_t chunk = 0; chunk < packed_.chunks(); ++chunk) {
      compute(patches_.data() + (task.unit * packed_.chunks() + chunk) * plan_.layout.size(),
              packed_.at(0, chunk, task.first_channel), chunk > 0);
    }
  }

  const Layer& layer_;
  PackedWeights packed_;
  Plan plan_;
  std::vector<float> x_;
  Buffer<float> patches_;
  Buffer<float> known_;
  std::vector<UnitPixels> pixels_;
};

// Independent random masks: each output outside the pattern is computed with a probability of `density`.
class Masks {
 public:
  Masks(const VectorKernels& kernels, const PathLoops& loops, double density) {
    std::mt19937 generator(4);
    std::bernoulli_distribution computed(density);
    int64_t outputs = 0;
    for (int64_t i = 0; i < loops.tasks(); ++i) {
      const Plan::Task task = loops.task(i);
      const int32_t pixels = loops.pixels(task.unit).rest.count;
      blocks_.emplace_back(most_blocks(pixels) * divide_up(task.channels, 4));
      entries_.emplace_back(pixels * task.channels + kListSlack);
      PixelLists lists{blocks_.back().data(), entries_.back().data()};
      for (int32_t channel = 0; channel < task.channels; channel += 16) {
        const int32_t channels = std::min(16, task.channels - channel);
        uint16_t mask[kLargestTile] = {};
        for (int32_t pixel = 0; pixel < pixels; ++pixel) {
          for (int32_t c = 0; c < channels; ++c) mask[pixel] |= static_cast<uint16_t>(computed(generator)) << c;
        }
        append_pixel_lists(mask, pixels, channel, channels, kernels.block_pixels, lists);
      }
      outputs += lists.outputs;
      tasks_.push_back(lists);
    }
    macs_ = static_cast<double>(outputs) * loops.output_macs();
  }

  double macs() const { return macs_; }
  const PixelLists& task(int64_t index) const { return tasks_[index]; }

 private:
  std::vector<std::vector<OutputBlock>> blocks_;
  std::vector<std::vector<uint8_t>> entries_;
  std::vector<PixelLists> tasks_;
  double macs_;
};

}  // namespace zaponnx
