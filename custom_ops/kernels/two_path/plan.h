// How a call's work is cut.
#pragma once

#include <algorithm>

#include "kernels/two_path/packing.h"

namespace zaponnx {

// The output map cut in tiles of nearly equal size.
struct TileGrid {
  int64_t height, width;            // of the map
  int64_t tile_rows, tile_columns;  // of a tile, in outputs
  int64_t columns, count;           // of the grid, in tiles

  TileGrid(const Geometry& g, const LayerAttributes& attributes) : height(g.out_height), width(g.out_width) {
    // 8 x 16 outputs keep a patch of 64 channels near L1's size at stride 1, and a list entry in a byte.
    tile_rows = even_share(height, std::max<int64_t>(1, 8 / attributes.strides[0]));
    tile_columns = even_share(width, std::max<int64_t>(1, 16 / attributes.strides[1]));
    columns = divide_up(width, tile_columns);
    count = divide_up(height, tile_rows) * columns;
  }

  Tile operator[](int64_t index) const {
    const int64_t top = index / columns * tile_rows;
    const int64_t left = index % columns * tile_columns;
    return {top, left, static_cast<int32_t>(std::min(tile_rows, height - top)),
            static_cast<int32_t>(std::min(tile_columns, width - left))};
  }

 private:
  // The largest part when `extent` is cut in as few parts as `most` allows, all of nearly one size.
  static int64_t even_share(int64_t extent, int64_t most) { return divide_up(extent, divide_up(extent, most)); }
};

// The pattern over a whole map and two pixels around it, where it is 0.
class PatternMap {
 public:
  PatternMap(const Pattern& pattern, int64_t height, int64_t width)
      : stride_(width + 4), marks_((height + 4) * stride_) {
    for (int64_t row = 0; row < height; ++row) {
      const uint8_t* tile_row = &pattern.tile[row % pattern.rows * pattern.columns];
      uint8_t* marks = &marks_[(row + 2) * stride_ + 2];
      for (int64_t column = 0, i = 0; column < width; ++column) {
        marks[column] = tile_row[i];
        if (++i == pattern.columns) i = 0;
      }
    }
  }

  int64_t stride() const { return stride_; }  // between rows
  // At a pixel of the map, or up to two pixels outside of it.
  const uint8_t* at(int64_t row, int64_t column) const { return &marks_[(row + 2) * stride_ + column + 2]; }

 private:
  int64_t stride_;
  std::vector<uint8_t> marks_;
};

// The work of one call, cut in (range of a group's output channels, image, tile), the range changing slowest.
struct Plan {
  static constexpr int64_t kEnoughTasks = 16;        // a few times the cores of a small machine
  static constexpr int64_t kRangeMultiple = 16;      // channels; whole strips of the predictor
  static constexpr int64_t kWeightsInL2 = 64 << 10;  // floats; the weights of a range stay in L2 with room to spare

  TileGrid grid;
  PatchLayout layout;
  PatternMap pattern;
  int64_t images, groups, group_channels, range, ranges;

  Plan(const Geometry& g, const LayerAttributes& attributes, const PackedWeights& weights)
      : grid(g, attributes),
        layout(attributes, g, grid.tile_rows, grid.tile_columns, weights.chunk()),
        pattern(attributes.pattern, g.out_height, g.out_width),
        images(g.batch),
        groups(attributes.group),
        group_channels(g.group_out_channels) {
    const int64_t wanted = divide_up(kEnoughTasks, images * groups * grid.count);
    const int64_t most = kWeightsInL2 / (weights.taps() * weights.chunk() * weights.chunks());
    range = std::clamp<int64_t>(divide_up(group_channels, wanted), 1, std::max<int64_t>(most, 1));
    range = divide_up(range, kRangeMultiple) * kRangeMultiple;
    ranges = divide_up(group_channels, range);
  }

  struct Task {
    int64_t image, group, tile_index;
    Tile tile;
    int64_t first_channel;  // within the group
    int32_t channels;
  };

  int64_t count() const { return groups * ranges * images * grid.count; }

  Task operator[](int64_t index) const {
    Task task;
    task.tile_index = index % grid.count;
    task.tile = grid[task.tile_index];
    index /= grid.count;
    task.image = index % images;
    index /= images;
    task.first_channel = index % ranges * range;
    task.channels = static_cast<int32_t>(std::min(range, group_channels - task.first_channel));
    task.group = index / ranges;
    return task;
  }
};

}  // namespace zaponnx
