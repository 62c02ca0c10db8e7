#include "kernels/two_path/pixel_lists.h"

#include <array>
#include <cstring>

namespace zaponnx {
namespace {

// Positions of the set bits of a byte, as 8 bytes of which the first `count` are meant.
struct BitPositions {
  std::array<uint64_t, 256> positions{};
  std::array<uint8_t, 256> count{};

  constexpr BitPositions() {
    for (int byte = 0; byte < 256; ++byte) {
      for (uint64_t bit = 0; bit < 8; ++bit) {
        if (byte >> bit & 1) positions[byte] |= bit << (8 * count[byte]++);
      }
    }
  }
};
constexpr BitPositions kBits;

// Transposes an 8 x 8 matrix of bits, a byte per row (Hacker's Delight, 7-3).
uint64_t transpose_bits(uint64_t x) {
  uint64_t t = (x ^ (x >> 7)) & 0x00AA00AA00AA00AAull;
  x ^= t ^ (t << 7);
  t = (x ^ (x >> 14)) & 0x0000CCCC0000CCCCull;
  x ^= t ^ (t << 14);
  t = (x ^ (x >> 28)) & 0x00000000F0F0F0F0ull;
  return x ^ t ^ (t << 28);
}

// Appends the positions of the set bits of so many bytes to `list` at `end`; returns the new end.
int32_t append_positions(const uint8_t* bits, int32_t bytes, uint8_t* list, int32_t end) {
  for (int32_t i = 0; i < bytes; ++i) {
    const uint64_t entries = kBits.positions[bits[i]] + static_cast<uint64_t>(i * 8) * 0x0101010101010101ull;
    std::memcpy(list + end, &entries, 8);  // branch-free: what is past the count is overwritten or slack
    end += kBits.count[bits[i]];
  }
  return end;
}

}  // namespace

void append_pixel_lists(const uint16_t* mask, int32_t pixels, int32_t channels, uint8_t* list, int32_t* start,
                        int32_t* shared) {
  constexpr int32_t kMostBytes = kLargestTile / 8;
  // needed[c][i]: which of the pixels 8i ... 8i + 7 channel c needs.
  uint8_t needed[16][kMostBytes];
  const int32_t bytes = (pixels + 7) / 8;
  for (int32_t byte = 0; byte < bytes; ++byte) {
    uint64_t low = 0;
    uint64_t high = 0;
    for (int32_t i = 0; i < 8; ++i) {
      const uint64_t bits = mask[byte * 8 + i];
      low |= (bits & 0xFF) << (8 * i);
      high |= (bits >> 8) << (8 * i);
    }
    low = transpose_bits(low);
    high = transpose_bits(high);
    for (int32_t c = 0; c < 8; ++c) {
      needed[c][byte] = static_cast<uint8_t>(low >> (8 * c));
      needed[c + 8][byte] = static_cast<uint8_t>(high >> (8 * c));
    }
  }
  for (int32_t c = 0; c < channels; c += 2) {
    uint8_t both[kMostBytes];
    int32_t& count = shared[c / 2];
    count = 0;
    for (int32_t i = 0; i < bytes; ++i) {
      both[i] = needed[c][i] & needed[c + 1][i];
      count += kBits.count[both[i]];
    }
    if (c + 1 == channels || count < kFewestShared) {
      count = 0;
      std::memset(both, 0, bytes);
    }
    for (int32_t i = 0; i < bytes; ++i) {
      needed[c][i] ^= both[i];
      needed[c + 1][i] ^= both[i];
    }
    const int32_t common = append_positions(needed[c], bytes, list, start[c]);
    start[c + 1] = append_positions(both, bytes, list, common);
    if (c + 1 == channels) break;
    std::memcpy(list + start[c + 1], list + common, count);
    start[c + 2] = append_positions(needed[c + 1], bytes, list, start[c + 1] + count);
  }
}

}  // namespace zaponnx
