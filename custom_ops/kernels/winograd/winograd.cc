#include "kernels/winograd/winograd.h"

#include <algorithm>
#include <cstring>

#include "kernels/patches/patches.h"
#include "kernels/stages/stages.h"
#include "kernels/winograd/weights.h"

namespace zaponnx {
namespace {

// So that a part's planes stay near; where the weights do not stay in L2, more tiles use them before they are gone. 24
// and 96 instead of 48 tiles were 0-5 % slower on 64 channels; on 512 at 28 x 28, 96 were 1.25 times as fast as 48.
constexpr int64_t kPartTiles = 48;
constexpr int64_t kLargeWeightsPartTiles = 96;
constexpr int64_t kLargeWeights = 1 << 20;  // floats
// A part reads all weights: 4 parts of 4 tiles (256 channels at 14 x 14) took 1.1 times as long with one thread as one
// of 16. So threads with few tiles each share these, and divide the weights; with 1 in place of 12 tiles the digits
// network took 0.96 to 1.02 of the time with two threads, and larger weights would be read by both.
constexpr int64_t kLeastPartTiles = 8;
constexpr int64_t kLeastOwnTiles = 12;
constexpr int64_t kSmallMap = 14 * 14;
constexpr int64_t kMostSegmentTiles = 64;

// One per thread, kept between calls.
struct Workspace {
  Buffer<float> patch, planes, products, outputs;
};

// Neighbouring tiles in a row of an image.
struct Segment {
  int64_t image, row, column;  // the first one's
  int64_t tiles;
  int64_t first;  // the first one's number among those that are computed together
};

// How a call's work is cut. The tiles of all images, row by row, are cut in parts.
struct Cut {
  int64_t rows, columns;  // of an image, in tiles
  int64_t tiles;          // of all images
  int64_t parts;
  bool shared;  // the threads share all planes, and each has some blocks of output channels

  Cut(const Geometry& g, int64_t outputs, int64_t part_tiles, int64_t blocks, int64_t threads)
      : rows(divide_up(g.out_height, outputs)),
        columns(divide_up(g.out_width, outputs)),
        tiles(g.batch * rows * columns),
        shared(blocks > 1 && threads > 1 && tiles < threads * kLeastOwnTiles) {
    const int64_t most = std::max<int64_t>(1, tiles / kLeastPartTiles);
    parts = shared ? std::min(most, divide_up(threads, blocks))
                   : std::min(std::max(most, divide_up(tiles, part_tiles)),
                              threads * divide_up(tiles, threads * part_tiles));
  }

  int64_t first_tile(int64_t part) const { return tiles * part / parts; }

  template <typename Body>
  void for_each_segment(int64_t first, int64_t end, const Body& body) const {
    for (int64_t tile = first; tile < end;) {
      const int64_t column = tile % columns;
      const int64_t count = std::min({columns - column, end - tile, kMostSegmentTiles});
      body(Segment{tile / (rows * columns), tile / columns % rows, column, count, tile - first});
      tile += count;
    }
  }
};

struct Call {
  const Geometry& g;
  const Activations& activations;
  const Cut& cut;
};

// Transformed inputs: [product][tile][input channel].
struct Planes {
  float* data;
  int64_t size;  // of one
};

class Winograd final : public PreparedLayer {
 public:
  Winograd(const VectorKernels& kernels, const LayerAttributes& attributes, const LayerWeights& w, int outputs,
           int64_t part_tiles)
      : kernels_(kernels),
        attributes_(attributes),
        outputs_(outputs),
        products_((outputs + 2) * (outputs + 2)),
        transforms_(outputs == 4 ? kernels.winograd_4 : kernels.winograd_2),
        weights_(kernels, w, outputs),
        part_tiles_(part_tiles) {
    const int64_t channels = round_up(w.shape[0], kernels.lanes);
    float* bias = bias_.reserve(channels);
    std::fill(std::copy(w.B, w.B + w.shape[0], bias), bias + channels, 0.0f);
  }

  void run(const Geometry& g, const Activations& activations, const Parallel& parallel, Memory& memory) const override {
    const Cut cut(g, outputs_, part_tiles_, weights_.blocks(), static_cast<int64_t>(parallel.threads()));
    const Call call{g, activations, cut};
    if (cut.shared) return run_shared(call, parallel, memory);
    // A thread's parts are the same in neighbouring layers, whose activations are then near.
    parallel.from_both_ends(cut.parts, [&](size_t part) {
      Workspace& space = workspace();
      const int64_t first = cut.first_tile(part), end = cut.first_tile(part + 1);
      const int64_t size = (end - first) * weights_.in_channels();
      const Planes planes{space.planes.reserve(products_ * size), size};
      cut.for_each_segment(first, end, [&](const Segment& segment) {
        for (int64_t chunk = 0; chunk < weights_.chunks(); ++chunk) pack(call, segment, chunk, planes, space);
      });
      for (int64_t block = 0; block < weights_.blocks(); ++block) compute(call, first, end, block, planes, space);
    });
  }

 private:
  static Workspace& workspace() {
    thread_local Workspace space;
    return space;
  }

  void run_shared(const Call& call, const Parallel& parallel, Memory& memory) const {
    const Cut& cut = call.cut;
    const int64_t size = cut.tiles * weights_.in_channels();
    Array<float> data(memory, products_ * size);
    const Planes planes{data.data(), size};
    std::vector<Segment> segments;
    cut.for_each_segment(0, cut.tiles, [&](const Segment& segment) { segments.push_back(segment); });
    Stages stages(1, 1, false, [&](Step step, int64_t) {
      return step == Step::kPack ? static_cast<int64_t>(segments.size()) * weights_.chunks()
                                 : weights_.blocks() * cut.parts;
    });
    parallel(stages.jobs(), [&](size_t job) {
      stages.run(static_cast<int64_t>(job), [&](const Stage& stage, int64_t index) {
        if (stage.step == Step::kPack) {
          return pack(call, segments[index / weights_.chunks()], index % weights_.chunks(), planes, workspace());
        }
        const int64_t part = index % cut.parts, first = cut.first_tile(part);
        const Planes own{planes.data + first * weights_.in_channels(), size};
        compute(call, first, cut.first_tile(part + 1), index / cut.parts, own, workspace());
      });
    });
  }

  // Transforms a segment's inputs, a chunk of their channels.
  void pack(const Call& call, const Segment& segment, int64_t chunk, const Planes& planes, Workspace& space) const {
    const Geometry& g = call.g;
    const int64_t first = chunk * weights_.chunk();
    const ImageStrides strides(attributes_.layout, g.in_channels, g.in_height * g.in_width);
    const float* image = call.activations.x + segment.image * g.in_channels * g.in_height * g.in_width;
    const PatchLayout layout(attributes_, g, outputs_, segment.tiles * outputs_,
                             static_cast<int32_t>(weights_.chunk()));
    float* patch = space.patch.reserve(layout.size());
    const Tile tile{segment.row * outputs_, segment.column * outputs_, outputs_,
                    static_cast<int32_t>(segment.tiles * outputs_)};
    layout.pack(kernels_, image + first * strides.channel, strides, std::min(g.in_channels - first, weights_.chunk()),
                tile, patch);
    transforms_.inputs({patch, (segment.tiles * outputs_ + 2) * weights_.chunk(), segment.tiles, weights_.chunk(),
                        planes.data + segment.first * weights_.in_channels() + first, planes.size,
                        weights_.in_channels()});
  }

  // Computes a block of the output channels of tiles first to end - 1, which are the first ones in the planes.
  void compute(const Call& call, int64_t first, int64_t end, int64_t block, const Planes& planes,
               Workspace& space) const {
    const int64_t tiles = end - first, width = weights_.width(block);
    float* products = space.products.reserve(products_ * tiles * width);
    for (int64_t i = 0; i < products_; ++i) {
      kernels_.winograd_products({planes.data + i * planes.size, tiles, weights_.in_channels(), weights_.at(i, block),
                                  width, products + i * tiles * width});
    }
    call.cut.for_each_segment(first, end, [&](const Segment& segment) {
      write(call, segment, block, products + segment.first * width, tiles * width, space);
    });
  }

  // products: the segment's; product_stride: between two products of a tile.
  void write(const Call& call, const Segment& segment, int64_t block, const float* products, int64_t product_stride,
             Workspace& space) const {
    const Geometry& g = call.g;
    const int64_t top = segment.row * outputs_, left = segment.column * outputs_;
    const int64_t rows = std::min<int64_t>(outputs_, g.out_height - top);
    const int64_t columns = std::min(segment.tiles * outputs_, g.out_width - left);
    const int64_t first = weights_.block(block);
    const int64_t width = weights_.width(block);
    const ImageStrides strides(attributes_.layout, g.out_channels, g.out_height * g.out_width);
    const int64_t at = segment.image * g.out_channels * g.out_height * g.out_width + first * strides.channel +
                       (top * g.out_width + left) * strides.pixel;
    const int64_t channels = std::min(width, g.out_channels - first);
    const ImageStrides own(Layout::kNhwc, width, 0);
    const int64_t row_stride = segment.tiles * outputs_ * width;
    float* outputs = space.outputs.reserve(outputs_ * row_stride);
    const float* residual = call.activations.residual;
    for (int64_t row = 0; residual != nullptr && row < rows; ++row) {
      copy(residual + at + row * g.out_width * strides.pixel, strides, outputs + row * row_stride, own, channels,
           columns);
    }
    transforms_.outputs({products, product_stride, segment.tiles, width, bias_.data() + first, residual != nullptr,
                         attributes_.bound, outputs, row_stride});
    for (int64_t row = 0; row < rows; ++row) {
      copy(outputs + row * row_stride, own, call.activations.y + at + row * g.out_width * strides.pixel, strides,
           channels, columns);
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
  int64_t part_tiles_;
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
  const int64_t part_tiles = limits.part_tiles > 0 ? limits.part_tiles : large ? kLargeWeightsPartTiles : kPartTiles;
  return std::make_unique<Winograd>(kernels, attributes, weights, outputs, part_tiles);
}

}  // namespace zaponnx
