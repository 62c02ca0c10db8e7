#include "kernels/two_path/pixel_lists.h"

#include <algorithm>
#include <random>
#include <vector>

#include "core/memory.h"
#include "testing/check.h"

namespace zaponnx::testing {
namespace {

constexpr int32_t kBlockPixels[4] = {8, 5, 4, 3};

int32_t count_channels(uint8_t set) { return (set & 1) + (set >> 1 & 1) + (set >> 2 & 1) + (set >> 3 & 1); }

TEST(lists_name_each_channels_pixels_once) {
  std::mt19937 rng(1);
  for (int32_t pixels : {1, 7, 8, 49, 64, 112, 255, 256}) {
    for (int32_t channels : {1, 4, 8, 11, 16}) {
      for (uint32_t density : {1, 4, 7, 8}) {  // in eighths
        std::vector<uint16_t> mask(kLargestTile, 0);
        for (int32_t i = 0; i < pixels; ++i) {
          // What is above `channels` means nothing.
          for (int32_t c = 0; c < 16; ++c) mask[i] |= static_cast<uint16_t>((rng() % 8 < density) << c);
        }
        const int32_t first_channel = 32;
        const int32_t entries_before = 3;  // of earlier channels, which must stay
        std::vector<uint8_t> list(entries_before + pixels * channels + kListSlack, 99);
        std::vector<OutputBlock> block(most_blocks(pixels) * divide_up(channels, 4));
        PixelLists lists{block.data(), list.data(), 0, entries_before, 0};
        append_pixel_lists(mask.data(), pixels, first_channel, channels, kBlockPixels, lists);
        CHECK(list[0] == 99 && list[1] == 99 && list[2] == 99, "earlier entries");
        std::vector<std::vector<uint8_t>> actual(channels);
        int32_t outputs = 0;
        int32_t entry = entries_before;
        for (int32_t i = 0; i < lists.blocks; ++i) {
          const int32_t first = block[i].channel - first_channel;
          const int32_t of_quad = count_channels(block[i].set);
          CHECK(first % 4 == 0 && of_quad > 0, "block ", i);
          CHECK(block[i].pixels > 0 && block[i].pixels <= kBlockPixels[of_quad - 1], "block ", i, " of ",
                int{block[i].pixels});
          for (int32_t c = 0; c < 4; ++c) {
            if ((block[i].set >> c & 1) == 0) continue;
            CHECK(first + c < channels, "channel ", first + c);
            actual[first + c].insert(actual[first + c].end(), &list[entry], &list[entry] + block[i].pixels);
          }
          outputs += block[i].pixels * of_quad;
          entry += block[i].pixels;
        }
        CHECK(entry == lists.entries && outputs == lists.outputs, entry, " entries, ", outputs, " outputs");
        for (int32_t c = 0; c < channels; ++c) {
          std::vector<uint8_t> expected;
          for (int32_t i = 0; i < pixels; ++i) {
            if (mask[i] >> c & 1) expected.push_back(static_cast<uint8_t>(i));
          }
          std::sort(actual[c].begin(), actual[c].end());
          CHECK(actual[c] == expected, pixels, " pixels, ", channels, " channels, channel ", c);
        }
      }
    }
  }
}

TEST(sets_of_few_pixels_are_split) {
  struct Example {
    uint16_t mask;
    int32_t pixels;
    std::vector<int32_t> sets;
  };
  for (const Example& example : std::vector<Example>{{0b1111, 4, {0b1111}},
                                                     {0b1111, 3, {0b0001, 0b0010, 0b0100, 0b1000}},
                                                     {0b0111, 3, {0b0001, 0b0010, 0b0100}},
                                                     {0b1001, 3, {0b0001, 0b1000}},
                                                     {0b1001, 4, {0b1001}}}) {
    const std::vector<uint16_t> mask = [&] {
      std::vector<uint16_t> all(8, 0);
      std::fill_n(all.begin(), example.pixels, example.mask);
      return all;
    }();
    std::vector<uint8_t> list(example.pixels * 4 + kListSlack);
    std::vector<OutputBlock> block(most_blocks(example.pixels));
    PixelLists lists{block.data(), list.data()};
    append_pixel_lists(mask.data(), example.pixels, 0, 4, {8, 8, 8, 8}, lists);
    CHECK(lists.blocks == static_cast<int32_t>(example.sets.size()), lists.blocks, " blocks");
    for (int32_t i = 0; i < lists.blocks; ++i) CHECK(block[i].set == example.sets[i], "set ", int{block[i].set});
  }
}

}  // namespace
}  // namespace zaponnx::testing
