#include "kernels/two_path/pixel_lists.h"

#include <algorithm>
#include <random>
#include <vector>

#include "testing/check.h"

namespace zaponnx::testing {
namespace {

TEST(lists_name_each_channels_pixels_and_what_pairs_share) {
  std::mt19937 rng(1);
  for (int32_t pixels : {1, 7, 8, 49, 112, 255, 256}) {
    for (int32_t channels : {1, 8, 11, 16}) {
      std::vector<uint16_t> mask(kLargestTile, 0);
      for (int32_t i = 0; i < pixels; ++i) mask[i] = static_cast<uint16_t>(rng() & ((1u << channels) - 1));
      const int32_t before = 3;  // entries of earlier channels, which must stay
      std::vector<uint8_t> list(before + pixels * channels + kListSlack, 99);
      std::vector<int32_t> start(channels + 1, before);
      std::vector<int32_t> shared(channels / 2 + 1, 99);
      append_pixel_lists(mask.data(), pixels, channels, list.data(), start.data(), shared.data());
      CHECK(list[0] == 99 && list[1] == 99 && list[2] == 99, "earlier entries");
      for (int32_t c = 0; c < channels; ++c) {
        std::vector<uint8_t> expected;
        for (int32_t i = 0; i < pixels; ++i) {
          if (mask[i] >> c & 1) expected.push_back(static_cast<uint8_t>(i));
        }
        std::vector<uint8_t> actual(list.begin() + start[c], list.begin() + start[c + 1]);
        std::sort(actual.begin(), actual.end());
        CHECK(actual == expected, pixels, " pixels, ", channels, " channels, channel ", c);
      }
      for (int32_t c = 0; c < channels; c += 2) {
        int32_t common = 0;
        for (int32_t i = 0; i < pixels && c + 1 < channels; ++i) common += (mask[i] >> c & 3) == 3;
        CHECK(shared[c / 2] == (common < kFewestShared ? 0 : common), pixels, " pixels, pair ", c / 2);
        for (int32_t i = 0; i < shared[c / 2]; ++i) {
          CHECK(list[start[c + 1] - shared[c / 2] + i] == list[start[c + 1] + i], "pair ", c / 2, ", entry ", i);
        }
      }
    }
  }
}

}  // namespace
}  // namespace zaponnx::testing
