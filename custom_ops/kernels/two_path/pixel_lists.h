// From masks (a bit per channel, pixel by pixel) to lists (the pixels of each channel).
#pragma once

#include <cstdint>

namespace zaponnx {

constexpr int32_t kLargestTile = 256;  // pixels; a list entry is a byte
constexpr int32_t kListSlack = 8;      // bytes that may be written past a list's end

// For each of `channels` (at most 16) channels: appends to `list` at start[c] the pixels whose mask has bit c, in
// ascending order, and sets start[c + 1] to the end. start[0] is given. `pixels` is at most kLargestTile; the masks are
// readable up to the next multiple of 8 and zero there.
void append_pixel_lists(const uint16_t* mask, int32_t pixels, int32_t channels, uint8_t* list, int32_t* start);

}  // namespace zaponnx
