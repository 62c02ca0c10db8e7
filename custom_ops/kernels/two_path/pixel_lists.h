// From masks (a bit per channel, pixel by pixel) to blocks of outputs and lists of their pixels.
//
// The pixels of a quad of channels are listed by the set of channels that need them. A set of fewer than kFewestInSet
// pixels is split in its halves, its channels of the quad's first two and of the others, and such a pair in single
// channels: fewer pixels make a block that is too small to pay.
#pragma once

#include <cstdint>

#include "kernels/vector_kernels.h"

namespace zaponnx {

constexpr int32_t kLargestTile = 256;  // pixels; a list entry is a byte
constexpr int32_t kListSlack = 8;      // bytes that may be written past a list's end
constexpr int32_t kFewestInSet = 4;

// The most blocks that a quad may have: full ones, which have at least 4 outputs, and another of each set.
constexpr int64_t most_blocks(int64_t pixels) { return pixels + 15; }

struct PixelLists {
  OutputBlock* block;  // room for most_blocks(pixels) per quad
  uint8_t* list;       // room for an entry per pixel and channel, and the slack
  int32_t blocks = 0;
  int32_t entries = 0;
  int32_t outputs = 0;
};

// Appends what `channels` (at most 16, from `channel` on) need. `pixels` is at most kLargestTile; the masks are
// readable up to the next multiple of 8 and zero there. block_pixels: VectorKernels'.
void append_pixel_lists(const uint16_t* mask, int32_t pixels, int32_t channel, int32_t channels,
                        const int32_t (&block_pixels)[4], PixelLists& lists);

}  // namespace zaponnx
