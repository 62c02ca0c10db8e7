#include "kernels/two_path/pixel_lists.h"

#include <random>
#include <vector>

#include "testing/check.h"

namespace zaponnx::testing {
namespace {

TEST(lists_name_each_channels_pixels_in_order) {
  std::mt19937 rng(1);
  for (int32_t pixels : {1, 7, 8, 49, 112, 255, 256}) {
    for (int32_t channels : {1, 8, 11, 16}) {
      std::vector<uint16_t> mask(kLargestTile, 0);
      for (int32_t i = 0; i < pixels; ++i) mask[i] = static_cast<uint16_t>(rng() & ((1u << channels) - 1));
      const int32_t before = 3;  // entries of earlier channels, which must stay
      std::vector<uint8_t> list(before + pixels * channels + kListSlack, 99);
      std::vector<int32_t> start(channels + 1, before);
      append_pixel_lists(mask.data(), pixels, channels, list.data(), start.data());
      std::vector<uint8_t> expected(before, 99);
      for (int32_t c = 0; c < channels; ++c) {
        CHECK(start[c] == static_cast<int32_t>(expected.size()), pixels, " pixels, channel ", c);
        for (int32_t i = 0; i < pixels; ++i) {
          if (mask[i] >> c & 1) expected.push_back(static_cast<uint8_t>(i));
        }
      }
      CHECK(start[channels] == static_cast<int32_t>(expected.size()), pixels);
      list.resize(start[channels]);
      CHECK(list == expected, pixels, " pixels, ", channels, " channels");
    }
  }
}

}  // namespace
}  // namespace zaponnx::testing
