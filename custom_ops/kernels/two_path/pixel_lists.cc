#include "kernels/two_path/pixel_lists.h"

#include <algorithm>
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

// The number of set bits, without the instruction that not every processor has (Hacker's Delight, 5-1).
int32_t count_bits(uint64_t x) {
  x -= x >> 1 & 0x5555555555555555ull;
  x = (x & 0x3333333333333333ull) + (x >> 2 & 0x3333333333333333ull);
  x = (x + (x >> 4)) & 0x0F0F0F0F0F0F0F0Full;
  return static_cast<int32_t>(x * 0x0101010101010101ull >> 56);
}

constexpr int32_t kQuad = 4;
constexpr int32_t kSets = 16;  // of a quad's channels, the empty one too
constexpr int32_t kMostWords = kLargestTile / 64;

// The pixels of each set of a quad's channels, a bit per pixel.
class QuadSets {
 public:
  // needed[c]: the pixels that channel c of the quad needs.
  QuadSets(const uint64_t (*needed)[kMostWords], int32_t channels, int32_t pixels) : words_((pixels + 63) / 64) {
    for (int32_t word = 0; word < words_; ++word) {
      uint64_t bits[kQuad] = {};
      for (int32_t c = 0; c < channels; ++c) bits[c] = needed[c][word];
      const uint64_t low[] = {~bits[0] & ~bits[1], bits[0] & ~bits[1], ~bits[0] & bits[1], bits[0] & bits[1]};
      const uint64_t high[] = {~bits[2] & ~bits[3], bits[2] & ~bits[3], ~bits[2] & bits[3], bits[2] & bits[3]};
      for (int32_t set = 0; set < kSets; ++set) sets_[set][word] = low[set & 3] & high[set >> 2];
    }
    for (int32_t set : {15, 14, 13, 11, 7, 10, 9, 6, 5}) split_if_few(set, set & 3, set & 12);
    split_if_few(12, 8, 4);
    split_if_few(3, 2, 1);
  }

  // Appends the set's pixels to `list` at `end`; returns the new end.
  int32_t append(int32_t set, int32_t pixels, uint8_t* list, int32_t end) const {
    for (int32_t first = 0; first < pixels; first += 8) {
      const uint64_t bits = sets_[set][first / 64] >> first % 64 & 0xFF;
      const uint64_t entries = kBits.positions[bits] + static_cast<uint64_t>(first) * 0x0101010101010101ull;
      std::memcpy(list + end, &entries, 8);  // branch-free: what is past the count is overwritten or slack
      end += kBits.count[bits];
    }
    return end;
  }

 private:
  void split_if_few(int32_t set, int32_t part, int32_t other) {
    int32_t count = 0;
    for (int32_t word = 0; word < words_; ++word) count += count_bits(sets_[set][word]);
    const uint64_t moved = count < kFewestInSet ? ~uint64_t{0} : 0;  // branch-free
    for (int32_t word = 0; word < words_; ++word) {
      sets_[part][word] |= sets_[set][word] & moved;
      sets_[other][word] |= sets_[set][word] & moved;
      sets_[set][word] &= ~moved;
    }
  }

  int32_t words_;
  uint64_t sets_[kSets][kMostWords];
};

}  // namespace

void append_pixel_lists(const uint16_t* mask, int32_t pixels, int32_t channel, int32_t channels,
                        const int32_t (&block_pixels)[4], PixelLists& lists) {
  // needed[c]: the pixels that channel c needs, a bit per pixel.
  uint64_t needed[16][kMostWords] = {};
  for (int32_t first = 0; first < pixels; first += 8) {
    uint64_t low = 0;
    uint64_t high = 0;
    for (int32_t i = 0; i < 8; ++i) {
      const uint64_t bits = mask[first + i];
      low |= (bits & 0xFF) << (8 * i);
      high |= (bits >> 8) << (8 * i);
    }
    low = transpose_bits(low);
    high = transpose_bits(high);
    for (int32_t c = 0; c < 8; ++c) {
      needed[c][first / 64] |= (low >> (8 * c) & 0xFF) << first % 64;
      needed[c + 8][first / 64] |= (high >> (8 * c) & 0xFF) << first % 64;
    }
  }
  for (int32_t c = 0; c < channels; c += kQuad) {
    const QuadSets sets(needed + c, std::min(kQuad, channels - c), pixels);
    for (int32_t set = 1; set < kSets; ++set) {
      const int32_t end = sets.append(set, pixels, lists.list, lists.entries);
      const int32_t count = end - lists.entries;
      const int32_t most = block_pixels[kBits.count[set] - 1];
      // Of sizes that differ by one at most, since half-empty blocks load as many weights.
      for (int32_t rest = count, blocks = (count + most - 1) / most; blocks > 0; --blocks) {
        const int32_t size = rest / blocks;
        lists.block[lists.blocks++] = {channel + c, static_cast<uint8_t>(set), static_cast<uint8_t>(size)};
        rest -= size;
      }
      lists.outputs += count * kBits.count[set];
      lists.entries = end;
    }
  }
}

}  // namespace zaponnx
