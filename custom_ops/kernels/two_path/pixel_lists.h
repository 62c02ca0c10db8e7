// From masks (a bit per channel, pixel by pixel) to lists (the pixels of each channel).
#pragma once

#include <cstdint>

namespace zaponnx {

constexpr int32_t kLargestTile = 256;  // pixels; a list entry is a byte
constexpr int32_t kListSlack = 8;      // bytes that may be written past a list's end

// A pair of channels shares its common pixels only if it has so many; fewer make a block that is too small to pay.
constexpr int32_t kFewestShared = 5;

// For each of `channels` (at most 16) channels: appends to `list` at start[c] the pixels whose mask has bit c, and sets
// start[c + 1] to the end. start[0] is given. Channels 2k and 2k + 1 form a pair: the last shared[k] entries of the
// first are the first shared[k] entries of the second. `pixels` is at most kLargestTile; the masks are readable up to
// the next multiple of 8 and zero there.
void append_pixel_lists(const uint16_t* mask, int32_t pixels, int32_t channels, uint8_t* list, int32_t* start,
                        int32_t* shared);

}  // namespace zaponnx
