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

}  // namespace

void append_pixel_lists(const uint16_t* mask, int32_t pixels, int32_t channels, uint8_t* list, int32_t* start) {
  // pixel_bits[c][i]: which of the pixels 8i ... 8i + 7 channel c needs.
  uint8_t pixel_bits[16][kLargestTile / 8];
  const int32_t groups = (pixels + 7) / 8;
  for (int32_t group = 0; group < groups; ++group) {
    uint64_t low = 0;
    uint64_t high = 0;
    for (int32_t i = 0; i < 8; ++i) {
      const uint64_t bits = mask[group * 8 + i];
      low |= (bits & 0xFF) << (8 * i);
      high |= (bits >> 8) << (8 * i);
    }
    low = transpose_bits(low);
    high = transpose_bits(high);
    for (int32_t c = 0; c < 8; ++c) {
      pixel_bits[c][group] = static_cast<uint8_t>(low >> (8 * c));
      pixel_bits[c + 8][group] = static_cast<uint8_t>(high >> (8 * c));
    }
  }
  for (int32_t c = 0; c < channels; ++c) {
    int32_t end = start[c];
    for (int32_t group = 0; group < groups; ++group) {
      const uint8_t bits = pixel_bits[c][group];
      const uint64_t entries = kBits.positions[bits] + static_cast<uint64_t>(group * 8) * 0x0101010101010101ull;
      std::memcpy(list + end, &entries,
                  8);  // branch-free: what is past the count is overwritten or slack
      end += kBits.count[bits];
    }
    start[c + 1] = end;
  }
}

}  // namespace zaponnx
