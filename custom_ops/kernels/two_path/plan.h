// How a call's work is cut.
#pragma once

#include <algorithm>
#include <vector>

#include "kernels/patches/patches.h"
#include "kernels/two_path/packing.h"
#include "kernels/two_path/pixel_lists.h"

namespace zaponnx {

// The output map cut in tiles of nearly equal size.
struct TileGrid {
  int64_t height, width;            // of the map
  int64_t tile_rows, tile_columns;  // of a tile, in outputs
  int64_t columns, count;           // of the grid, in tiles

  TileGrid(const Geometry& g, const LayerAttributes& attributes) : height(g.out_height), width(g.out_width) {
    tile_rows = even_share(height, largest_side(attributes.strides[0]));
    tile_columns = even_share(width, largest_side(attributes.strides[1]));
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
  // The sparse path wants many pixels, and large weights pass from L3 or memory once per tile; but the tile's patches
  // should stay in L2.
  static constexpr int64_t kLargestSide = 16;
  static constexpr int64_t kLargestSpan = 32;  // of the input
  static_assert(kLargestSide * kLargestSide <= kLargestTile);

  static int64_t largest_side(int64_t stride) { return std::clamp<int64_t>(kLargestSpan / stride, 1, kLargestSide); }
  // The largest part when `extent` is cut in as few parts as `most` allows, all of nearly one size.
  static int64_t even_share(int64_t extent, int64_t most) { return divide_up(extent, divide_up(extent, most)); }
};

// The pixels of a tile that are in the pattern, or those that are not, in row-major order.
struct PixelTable {
  int32_t count;
  int32_t patch[kLargestTile];   // offset in the patch of the first tap
  TilePixel tile[kLargestTile];  // in the tile
  int32_t map[kLargestTile];     // in the map: row * width + column
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

// How a layer is computed for a batch of images.
struct Plan {
  // Work is cut in tasks of one unit and one range of a group's output channels. A range's weights should fit in L2
  // while a unit's pixels pass, and small maps should give a few tasks to every core; but a range is at least one strip
  // of the predictor wide.
  static constexpr int64_t kEnoughTasks = 16;
  static constexpr int64_t kRangeMultiple = 16;
  static constexpr int64_t kWeightsInL2 = 64 << 10;  // floats
  // One wave is packed and computed while the rest of the one before is computed and threads finish an older one.
  static constexpr int64_t kSlots = 3;

  TileGrid grid;
  PatchLayout layout;
  PatternMap pattern;
  int64_t groups, group_channels, range, ranges;
  int64_t unit_patches;  // patches of a unit: one for each group and chunk of input channels
  bool fused;            // a map is one tile: its predictions depend on its own tasks alone
  int64_t units;         // of the call; unit = image * grid.count + tile
  int64_t wave_units;    // of a wave but the last
  int64_t waves;
  int64_t slots;  // waves that are in work at a time

  // wave_floats: of the patches of a wave, if more than the least wave's fit in it.
  Plan(const Geometry& g, const LayerAttributes& attributes, const PackedWeights& weights, int64_t wave_floats)
      : grid(g, attributes),
        layout(attributes, g, grid.tile_rows, grid.tile_columns, weights.chunk()),
        pattern(attributes.pattern, g.out_height, g.out_width),
        groups(attributes.group),
        group_channels(g.group_out_channels),
        unit_patches(groups * weights.chunks()),
        fused(grid.count == 1),
        units(g.batch * grid.count) {
    const int64_t wanted = divide_up(kEnoughTasks, groups * units);
    const int64_t most = std::max<int64_t>(1, kWeightsInL2 / (weights.taps() * weights.chunk() * weights.chunks()));
    range = round_up(std::min(divide_up(group_channels, wanted), most), kRangeMultiple);
    ranges = divide_up(group_channels, range);
    // Whole rows of tiles, and at least two rows of outputs: as far as a prediction looks.
    const int64_t row_floats = grid.columns * unit_patches * layout.size();
    wave_units = grid.columns * std::max(wave_floats / row_floats, divide_up(2, grid.tile_rows));
    waves = divide_up(units, wave_units);
    slots = std::min(waves, kSlots);
  }

  struct Task {
    int64_t unit, image, group;
    Tile tile;
    int64_t first_channel;  // within the group
    int32_t channels;
  };

  int64_t units_in(int64_t wave) const { return std::min(wave_units, units - wave * wave_units); }
  int64_t patches(int64_t wave) const { return units_in(wave) * unit_patches; }
  int64_t tasks(int64_t wave) const { return groups * ranges * units_in(wave); }

  // The unit changes slowest, so that what a thread has packed it also reads.
  Task task(int64_t wave, int64_t index) const {
    Task task;
    task.first_channel = index % ranges * range;
    task.channels = static_cast<int32_t>(std::min(range, group_channels - task.first_channel));
    index /= ranges;
    task.group = index % groups;
    task.unit = wave * wave_units + index / groups;
    task.image = task.unit / grid.count;
    task.tile = grid[task.unit % grid.count];
    return task;
  }

  void list_pixels(const Tile& tile, bool in_pattern, PixelTable& pixels) const {
    pixels.count = 0;
    for (int32_t row = 0; row < tile.rows; ++row) {
      const uint8_t* marks = pattern.at(tile.top + row, tile.left);
      for (int32_t column = 0; column < tile.columns; ++column) {
        if ((marks[column] != 0) != in_pattern) continue;
        pixels.patch[pixels.count] = layout.pixel_offset(row, column);
        pixels.tile[pixels.count] = {static_cast<uint16_t>(row), static_cast<uint16_t>(column)};
        pixels.map[pixels.count++] = static_cast<int32_t>((tile.top + row) * grid.width + tile.left + column);
      }
    }
  }

  // Where a patch of a unit is kept, in floats.
  int64_t patch_offset(int64_t unit, int64_t patch) const {
    return (unit % (slots * wave_units) * unit_patches + patch) * layout.size();
  }
  int64_t patch_floats() const { return std::min(units, slots * wave_units) * unit_patches * layout.size(); }

  // Images that the waves in work may touch.
  int64_t images() const { return std::min(divide_up(slots * wave_units, grid.count) + 1, units / grid.count); }
};

}  // namespace zaponnx
