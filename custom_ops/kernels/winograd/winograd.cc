#include "kernels/winograd/winograd.h"

#include <algorithm>
#include <cstring>

#include "kernels/patches/patches.h"
#include "kernels/stages/stages.h"
#include "kernels/winograd/weights.h"

namespace zaponnx {
namespace {

// So that a wave's planes stay near; where the weights do not stay in L2, more tiles use them before they are gone. 24
// and 96 instead of 48 tiles were 0-5 % slower on 64 channels; on 512 at 28 x 28, 96 were 1.25 times as fast as 48.
constexpr int64_t kWaveTiles = 48;
constexpr int64_t kLargeWeightsWaveTiles = 96;
constexpr int64_t kLargeWeights = 1 << 20;  // floats
// Each part of a wave reads all weights of its block: 4 parts of 4 tiles (256 channels at 14 x 14) took 1.1 times as
// long with one thread as one of 16, 4 parts of 14 tiles (64 channels at 56 x 56) no longer than one of 56. With two
// threads parts of 8 of the 16 tiles of 16 x 16 maps, instead of one part, made the tuned digits network 1.2 times as
// fast.
constexpr int64_t kLeastPartTiles = 8;
constexpr int64_t kSmallMap = 14 * 14;
constexpr int64_t kMostStripTiles = 64;
constexpr int64_t kSlots = 3;

// One per thread, kept between calls.
struct Workspace {
  Buffer<float> patch, products, outputs;
};

// How a call's work is cut: the map in strips of tiles, side by side, the strips of all images in waves.
struct Cut {
  int64_t rows, strips;              // of an image: rows of tiles, and strips in each
  int64_t tiles;                     // of a strip; some of the last one may lie outside the map
  int64_t units, wave_units, waves;  // strips of all images
  int64_t slots;                     // waves in work at a time
  int64_t blocks;                    // of output channels
  int64_t wave_parts;                // that a wave's strips are cut in, for all threads to have work

  Cut(const Geometry& g, int64_t outputs, int64_t wave_tiles, int64_t blocks, size_t threads)
      : rows(divide_up(g.out_height, outputs)), blocks(blocks) {
    const int64_t columns = divide_up(g.out_width, outputs);
    strips = divide_up(columns, kMostStripTiles);
    tiles = divide_up(columns, strips);
    units = g.batch * rows * strips;
    waves = divide_up(units, std::max<int64_t>(1, wave_tiles / tiles));
    wave_units = divide_up(units, waves);
    waves = divide_up(units, wave_units);
    slots = std::min(kSlots, waves);
    wave_parts = std::clamp<int64_t>(wave_units * tiles / kLeastPartTiles, 1,
                                     divide_up(static_cast<int64_t>(threads), slots * blocks));
  }

  int64_t units_of(int64_t wave) const { return std::min(wave_units, units - wave * wave_units); }
  int64_t parts(int64_t wave) const { return std::min(wave_parts, units_of(wave)); }

  struct Task {
    int64_t wave, block;
    int64_t first_unit, units;  // within the wave
  };

  int64_t tasks(int64_t wave) const { return blocks * parts(wave); }
  // The block changes slowest.
  Task task(int64_t wave, int64_t index) const {
    const int64_t part = index % parts(wave);
    const int64_t first = units_of(wave) * part / parts(wave);
    return {wave, index / parts(wave), first, units_of(wave) * (part + 1) / parts(wave) - first};
  }
};

struct Call {
  const Geometry& g;
  const Activations& activations;
  const Cut& cut;
  const PatchLayout& layout;
  float* planes;  // [slot][product][tile of the wave][input channel]
};

class Winograd final : public PreparedLayer {
 public:
  Winograd(const VectorKernels& kernels, const LayerAttributes& attributes, const LayerWeights& w, int outputs,
           int64_t wave_tiles)
      : kernels_(kernels),
        attributes_(attributes),
        outputs_(outputs),
        products_((outputs + 2) * (outputs + 2)),
        transforms_(outputs == 4 ? kernels.winograd_4 : kernels.winograd_2),
        weights_(kernels, w, outputs),
        wave_tiles_(wave_tiles) {
    const int64_t channels = round_up(w.shape[0], kernels.lanes);
    float* bias = bias_.reserve(channels);
    std::fill(std::copy(w.B, w.B + w.shape[0], bias), bias + channels, 0.0f);
  }

  void run(const Geometry& g, const Activations& activations, const Parallel& parallel, Memory& memory) const override {
    const Cut cut(g, outputs_, wave_tiles_, weights_.blocks(), parallel.threads());
    const PatchLayout layout(attributes_, g, outputs_, cut.tiles * outputs_, static_cast<int32_t>(weights_.chunk()));
    Array<float> planes(memory, cut.slots * products_ * cut.wave_units * cut.tiles * weights_.in_channels());
    const Call call{g, activations, cut, layout, planes.data()};
    Stages stages(cut.waves, cut.slots, false, [&](Step step, int64_t wave) {
      return step == Step::kPack ? cut.units_of(wave) * weights_.chunks() : cut.tasks(wave);
    });
    parallel(stages.jobs(), [&](size_t job) {
      stages.run(static_cast<int64_t>(job), [&](const Stage& stage, int64_t index) {
        thread_local Workspace space;
        if (stage.step == Step::kPack) return pack(call, stage.wave, index, space);
        const Cut::Task task = cut.task(stage.wave, index);
        multiply(call, task, space);
        for (int64_t unit = 0; unit < task.units; ++unit) write(call, task, unit, space);
      });
    });
  }

 private:
  // A strip's outputs within the map, and its image.
  struct Strip {
    Tile tile;
    int64_t image;
  };

  Strip strip(const Call& call, int64_t wave, int64_t unit) const {
    const Cut& cut = call.cut;
    const int64_t index = wave * cut.wave_units + unit;
    const int64_t top = index / cut.strips % cut.rows * outputs_;
    const int64_t left = index % cut.strips * cut.tiles * outputs_;
    return {{top, left, static_cast<int32_t>(std::min<int64_t>(outputs_, call.g.out_height - top)),
             static_cast<int32_t>(std::min<int64_t>(cut.tiles * outputs_, call.g.out_width - left))},
            index / (cut.strips * cut.rows)};
  }

  int64_t plane_size(const Call& call) const { return call.cut.wave_units * call.cut.tiles * weights_.in_channels(); }

  // The wave's planes, at a unit's first tile.
  float* planes(const Call& call, int64_t wave, int64_t unit) const {
    return call.planes + wave % call.cut.slots * products_ * plane_size(call) +
           unit * call.cut.tiles * weights_.in_channels();
  }

  void pack(const Call& call, int64_t wave, int64_t index, Workspace& space) const {
    const Geometry& g = call.g;
    const int64_t unit = index / weights_.chunks();
    const int64_t first = index % weights_.chunks() * weights_.chunk();
    const Strip from = strip(call, wave, unit);
    const ImageStrides strides(attributes_.layout, g.in_channels, g.in_height * g.in_width);
    const float* image = call.activations.x + from.image * g.in_channels * g.in_height * g.in_width;
    float* patch = space.patch.reserve(call.layout.size());
    call.layout.pack(kernels_, image + first * strides.channel, strides,
                     std::min(g.in_channels - first, weights_.chunk()), from.tile, patch);
    transforms_.inputs({patch, (call.cut.tiles * outputs_ + 2) * weights_.chunk(), call.cut.tiles, weights_.chunk(),
                        planes(call, wave, unit) + first, plane_size(call), weights_.in_channels()});
  }

  // All products of a task, [product][tile][channel].
  void multiply(const Call& call, const Cut::Task& task, Workspace& space) const {
    const int64_t tiles = task.units * call.cut.tiles;
    const int64_t width = weights_.width(task.block);
    const float* inputs = planes(call, task.wave, task.first_unit);
    float* products = space.products.reserve(products_ * tiles * width);
    for (int64_t i = 0; i < products_; ++i) {
      kernels_.winograd_products({inputs + i * plane_size(call), tiles, weights_.in_channels(),
                                  weights_.at(i, task.block), width, products + i * tiles * width});
    }
  }

  // Writes the outputs of a task's unit.
  void write(const Call& call, const Cut::Task& task, int64_t unit, Workspace& space) const {
    const Geometry& g = call.g;
    const Strip to = strip(call, task.wave, task.first_unit + unit);
    const int64_t first = weights_.block(task.block);
    const int64_t width = weights_.width(task.block);
    const ImageStrides strides(attributes_.layout, g.out_channels, g.out_height * g.out_width);
    const int64_t at = to.image * g.out_channels * g.out_height * g.out_width + first * strides.channel +
                       (to.tile.top * g.out_width + to.tile.left) * strides.pixel;
    const int64_t channels = std::min(width, g.out_channels - first);
    const ImageStrides own(Layout::kNhwc, width, 0);
    const int64_t row_stride = call.cut.tiles * outputs_ * width;
    float* outputs = space.outputs.reserve(outputs_ * row_stride);
    const float* residual = call.activations.residual;
    for (int32_t row = 0; residual != nullptr && row < to.tile.rows; ++row) {
      copy(residual + at + row * g.out_width * strides.pixel, strides, outputs + row * row_stride, own, channels,
           to.tile.columns);
    }
    transforms_.outputs({space.products.data() + unit * call.cut.tiles * width, task.units * call.cut.tiles * width,
                         call.cut.tiles, width, bias_.data() + first, residual != nullptr, attributes_.bound, outputs,
                         row_stride});
    for (int32_t row = 0; row < to.tile.rows; ++row) {
      copy(outputs + row * row_stride, own, call.activations.y + at + row * g.out_width * strides.pixel, strides,
           channels, to.tile.columns);
    }
  }

  // Neighbouring pixels of neighbouring channels; `from` or `to` is NHWC.
  void copy(const float* from, const ImageStrides& from_strides, float* to, const ImageStrides& to_strides,
            int64_t channels, int64_t pixels) const {
    if (from_strides.channel != 1) {
      kernels_.transpose(from, from_strides.channel, to, to_strides.pixel, channels, pixels);
    } else if (to_strides.channel != 1) {
      kernels_.transpose(from, from_strides.pixel, to, to_strides.channel, pixels, channels);
    } else {
      for (int64_t i = 0; i < pixels; ++i) {
        std::memcpy(to + i * to_strides.pixel, from + i * from_strides.pixel, channels * sizeof(float));
      }
    }
  }

  const VectorKernels& kernels_;
  LayerAttributes attributes_;
  int outputs_;
  int64_t products_;
  const WinogradTransforms& transforms_;
  WinogradWeights weights_;
  int64_t wave_tiles_;
  Buffer<float> bias_;  // padded with zeros
};

}  // namespace

bool suits_winograd(const LayerAttributes& attributes, const LayerWeights& weights) {
  const std::array<int64_t, 2> ones{1, 1};
  const std::vector<uint8_t>& tile = attributes.pattern.tile;
  return weights.shape[1] > 1 && weights.shape[2] == 3 && weights.shape[3] == 3 && attributes.strides == ones &&
         attributes.dilations == ones && attributes.group == 1 && std::find(tile.begin(), tile.end(), 0) == tile.end();
}

std::unique_ptr<PreparedLayer> prepare_winograd(const VectorKernels& kernels, const LayerAttributes& attributes,
                                                const LayerWeights& weights, const WinogradLimits& limits) {
  const bool small_map = attributes.map_pixels > 0 && attributes.map_pixels <= kSmallMap;
  const int64_t most = small_map ? limits.small_map_weight_floats : limits.weight_floats;
  const int outputs = WinogradWeights::size(kernels, weights, 4) <= most ? 4 : 2;
  const bool large = WinogradWeights::size(kernels, weights, outputs) > kLargeWeights;
  const int64_t wave_tiles = limits.wave_tiles > 0 ? limits.wave_tiles : large ? kLargeWeightsWaveTiles : kWaveTiles;
  return std::make_unique<Winograd>(kernels, attributes, weights, outputs, wave_tiles);
}

}  // namespace zaponnx
