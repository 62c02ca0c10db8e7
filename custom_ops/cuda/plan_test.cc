// The host's logic: lists in closed form, what takes the tiles, and the workspace.
#include "cuda/plan.h"

#include <algorithm>
#include <random>

#include "cuda/packing.h"
#include "testing/check.h"

namespace zaponnx::cuda {
namespace {

using zaponnx::testing::error_of;

LayerAttributes attributes_of(int64_t channels, int64_t group = 1) {
  return {Layout::kNchw, {1, 1}, {1, 1}, {1, 1, 1, 1}, group, channels, {2, 2, {1, 0, 0, 1}}, {0.0f}, 6.0f};
}

struct Table {
  Pattern pattern;
  std::vector<int> before = count_before(pattern);

  PatternTable get() const {
    return {static_cast<int>(pattern.rows), static_cast<int>(pattern.columns), pattern.tile.data(), before.data()};
  }
};

constexpr Choices kAuto{0, ZAPONNX_CUDA_PRECISION_TF32, ZAPONNX_CUDA_METHOD_AUTO,
                        ZAPONNX_CUDA_ELEMENT_CHANNELS_DEFAULT};

constexpr Architecture k75{7, 5};
constexpr Architecture k90{9, 0};

TEST(ranks_count_the_patterns_pixels) {
  std::mt19937 rng(1);
  auto pick = [&](int low, int high) { return std::uniform_int_distribution<int>(low, high)(rng); };
  for (int round = 0; round < 200; ++round) {
    Pattern pattern{pick(1, 6), pick(1, 6), {}};
    for (int i = 0; i < pattern.rows * pattern.columns; ++i) pattern.tile.push_back(pick(0, 1));
    const Table table{pattern};
    const int height = pick(1, 14);
    const int width = pick(1, 14);
    int rank = 0;
    for (int row = 0; row < height; ++row) {
      for (int column = 0; column < width; ++column) {
        CHECK(before_row(table.get(), width, row) + before_column(table.get(), row, column) == rank);
        rank += pattern.at(row, column);
      }
    }
    CHECK(before_row(table.get(), width, height) == rank);
  }
}

TEST(layers_of_few_channels_take_the_reference) {
  CHECK(!plan_layer(attributes_of(7), {7, 16, 3, 3}, kAuto, k90).tiles);
  CHECK(plan_layer(attributes_of(8), {8, 16, 3, 3}, kAuto, k90).tiles);
  CHECK(!plan_layer(attributes_of(64, 64), {64, 1, 3, 3}, kAuto, k90).tiles);
  Choices tiles = kAuto;
  tiles.method = ZAPONNX_CUDA_METHOD_TILES;
  CHECK(plan_layer(attributes_of(7), {7, 16, 3, 3}, tiles, k90).tiles);
  LayerAttributes far = attributes_of(64);
  far.dilations = {1 << 30, 1};
  CHECK(!plan_layer(far, {64, 16, 3, 3}, kAuto, k90).tiles);
  const std::string error = error_of([&] { plan_layer(far, {64, 16, 3, 3}, tiles, k90); });
  CHECK(error.find("beyond 2^24") != std::string::npos && error.find("use AUTO") != std::string::npos, error);
}

TEST(k_is_padded_to_vectors_and_chunks) {
  const LayerPlan plan = plan_layer(attributes_of(130, 2), {130, 5, 3, 3}, kAuto, k90);
  CHECK(plan.padded_channels == 8 && plan.vectors == 18 && plan.chunks == 5);
  CHECK(plan.group_blocks == 2 && plan.blocks == 4);
  CHECK(plan.packed_count() == 4 * 64 * 5 * 16);
  Choices half = kAuto;
  half.precision = ZAPONNX_CUDA_PRECISION_FLOAT16;
  CHECK(plan_layer(attributes_of(64), {64, 9, 3, 3}, half, k90).padded_channels == 16);
}

TEST(products_are_what_the_gpu_is_fast_at) {
  Choices strict = kAuto;
  strict.precision = ZAPONNX_CUDA_PRECISION_FLOAT32;
  const auto products = [](const Choices& choices, const Architecture& architecture) {
    return plan_layer(attributes_of(8), {8, 8, 1, 1}, choices, architecture).products;
  };
  for (const Architecture& fast : {Architecture{8, 0}, k90, Architecture{10, 0}}) {
    CHECK(products(strict, fast) == Products::kSplit && products(kAuto, fast) == Products::kTf32);
  }
  for (const Architecture& slow : {Architecture{8, 6}, Architecture{8, 9}, Architecture{12, 0}}) {
    CHECK(products(strict, slow) == Products::kPlain && products(kAuto, slow) == Products::kTf32);
  }
  CHECK(products(strict, k75) == Products::kPlain && products(kAuto, k75) == Products::kPlain);
}

TEST(choices_are_checked) {
  for (int Choices::* field : {&Choices::element, &Choices::precision, &Choices::method, &Choices::element_channels}) {
    for (int value : {-2, 65}) {
      Choices wrong = kAuto;
      wrong.*field = value;
      const std::string error = error_of([&] { plan_layer(attributes_of(8), {8, 8, 1, 1}, wrong, k90); });
      CHECK(error.find("is " + std::to_string(value) + "; it must be from") != std::string::npos, error);
    }
  }
  Choices mixed = kAuto;
  mixed.element = ZAPONNX_CUDA_ELEMENT_FLOAT16;
  CHECK(!error_of([&] { plan_layer(attributes_of(8), {8, 8, 1, 1}, mixed, k90); }).empty());
}

RunPlan run_of(LayerAttributes attributes, std::array<int64_t, 4> w_shape, std::vector<int64_t> x_shape,
               const Device& device, const Choices& choices = kAuto) {
  const LayerPlan layer = plan_layer(attributes, w_shape, choices, k90);
  const Table table{attributes.pattern};
  return plan_run(layer, attributes, make_geometry(attributes, w_shape, x_shape), table.get(), choices.element, device);
}

TEST(arrays_lie_apart_in_the_workspace) {
  const Device device{132, 3, 4, 5};
  const RunPlan plan = run_of(attributes_of(130), {130, 64, 3, 3}, {2, 64, 15, 13}, device);
  CHECK(plan.pattern_pixels == 2 * 98 && plan.other_pixels == 2 * 97);
  const std::vector<std::pair<size_t, size_t>> arrays{
      {plan.operand, 2 * 15 * 13 * 64 * 4},
      {plan.pattern_list, 196 * 4},
      {plan.other_list, 3 * 194 * 4},
      {plan.other_masks, 3 * 194 * 8},
      {plan.counters, plan.counter_count * 4u},
      {plan.partial, std::max(plan.pattern.blocks, plan.others.blocks) * 64 * 32 * 4}};
  size_t end = 0;
  for (const auto& [offset, bytes] : arrays) {
    CHECK(offset % 256 == 0 && offset >= end, offset);
    end = offset + bytes;
  }
  CHECK(plan.bytes >= end && plan.bytes < end + 256);
  CHECK(plan.counter_count >= 1 + 2 * 3 + std::max(plan.pattern.blocks, plan.others.blocks));
}

TEST(tiles_are_the_largest_that_keep_the_gpu_busy) {
  const Device device{132, 2, 3, 5};
  const auto launch = [&](int64_t channels, std::vector<int64_t> x_shape) {
    return run_of(attributes_of(channels), {channels, channels, 3, 3}, std::move(x_shape), device).pattern;
  };
  // 784 large tiles for 264 blocks, three times.
  const TileLaunch large = launch(64, {64, 64, 56, 56});
  CHECK(large.tile_pixels == kLargeTile && large.blocks == 2 * 132);
  // 392 large tiles would be one and a half times as many.
  const TileLaunch medium = launch(128, {64, 128, 28, 28});
  CHECK(medium.tile_pixels == kMediumTile && medium.blocks == 3 * 132);
  const TileLaunch sliced = launch(128, {8, 128, 28, 28});  // 98 medium tiles, in four slices
  CHECK(sliced.tile_pixels == kMediumTile && sliced.blocks == 4 * 98);
  const TileLaunch small = launch(512, {1, 512, 7, 7});  // one tile of 8 channel blocks, in 16 slices
  CHECK(small.tile_pixels == kSmallTile && small.blocks == 8 * 16);
}

TEST(staging_is_left_out_where_it_changes_nothing) {
  LayerAttributes nhwc = attributes_of(64);
  nhwc.layout = Layout::kNhwc;
  CHECK(!run_of(nhwc, {64, 64, 3, 3}, {1, 8, 8, 64}, {}).staged);
  CHECK(run_of(nhwc, {64, 6, 3, 3}, {1, 8, 8, 6}, {}).staged);
  CHECK(run_of(attributes_of(64), {64, 64, 3, 3}, {1, 64, 8, 8}, {}).staged);
  Choices half = kAuto;
  half.precision = ZAPONNX_CUDA_PRECISION_FLOAT16;
  CHECK(run_of(nhwc, {64, 64, 3, 3}, {1, 8, 8, 64}, {}, half).staged);
  half.element = ZAPONNX_CUDA_ELEMENT_FLOAT16;
  CHECK(!run_of(nhwc, {64, 64, 3, 3}, {1, 8, 8, 64}, {}, half).staged);
}

TEST(what_is_too_large_is_refused) {
  const std::string error = error_of([] { run_of(attributes_of(64), {64, 8, 3, 3}, {1 << 16, 8, 224, 224}, {}); });
  CHECK(error.find("divide the batch") != std::string::npos, error);
  CHECK(error_of([] { run_of(attributes_of(64), {64, 8, 3, 3}, {1 << 10, 8, 224, 224}, {}); }).empty());
  // The grid that predicts: a block for each window, of one pixel here, and channel block.
  LayerAttributes many = attributes_of(1 << 20, 1 << 17);
  many.pads = {0, 0, 0, 0};
  const auto windows = [&](int64_t batch) { run_of(many, {1 << 20, 8, 1, 1}, {batch, 1 << 20, 1, 1}, {}); };
  CHECK(error_of([&] { windows(1 << 14); }).find("divide the batch") != std::string::npos);
  CHECK(error_of([&] { windows(1 << 13); }).empty());
  // The length of a list of pixels, rounded up to tiles; 49981 x 42966 is 2^31 - 2.
  LayerAttributes wide = attributes_of(8);
  wide.pads = {0, 0, 0, 0};
  const auto map = [&](int64_t rows) { run_of(wide, {8, 1, 1, 1}, {1, 1, rows, 42966}, {}); };
  CHECK(error_of([&] { map(49981); }).find("divide the batch") != std::string::npos);
  CHECK(error_of([&] { map(49980); }).empty());
}

TEST(weights_are_packed_by_block_tap_and_channel) {
  LayerAttributes attributes = attributes_of(6, 2);
  Choices choices{0, ZAPONNX_CUDA_PRECISION_FLOAT32, ZAPONNX_CUDA_METHOD_TILES, 0};
  const std::array<int64_t, 4> w_shape{6, 3, 2, 1};
  const LayerPlan plan = plan_layer(attributes, w_shape, choices, k90);
  std::vector<float> w(6 * 3 * 2);
  for (size_t i = 0; i < w.size(); ++i) w[i] = static_cast<float>(i + 1);
  const auto bytes = pack_weights(plan, attributes, w_shape, w.data());
  const auto* packed = reinterpret_cast<const float*>(bytes.data());
  // Group 1's second channel is in block 1; its input channel 2, tap 1 follows the first tap's four padded channels.
  CHECK(packed[(64 + 1) * 16 + 4 + 2] == w[(4 * 3 + 2) * 2 + 1]);
  CHECK(packed[(64 + 1) * 16 + 3] == 0 && packed[3 * 16] == 0);
  double sum = 0;
  for (int64_t i = 0; i < plan.packed_count(); ++i) sum += packed[i];
  CHECK(sum == 36 * 37 / 2);
}

TEST(weights_that_the_precision_cannot_hold_are_refused) {
  Choices half{0, ZAPONNX_CUDA_PRECISION_FLOAT16, ZAPONNX_CUDA_METHOD_TILES, 0};
  const std::array<int64_t, 4> w_shape{1, 1, 1, 1};
  const LayerPlan plan = plan_layer(attributes_of(1), w_shape, half, k90);
  const float large = 1e5f;
  CHECK(error_of([&] { pack_weights(plan, attributes_of(1), w_shape, &large); }).find("ask for float32") !=
        std::string::npos);
}

}  // namespace
}  // namespace zaponnx::cuda
