// Wrong attributes and shapes: one sentence that names the culprit.
#include "core/layer.h"

#include <functional>
#include <limits>

#include "testing/check.h"

namespace zaponnx::testing {
namespace {

LayerAttributes good() {
  return {Layout::kNchw,        {1, 1}, {1, 1},
          {1, 1, 1, 1},         1,      8,
          {2, 2, {1, 0, 0, 1}}, {0.0f}, std::numeric_limits<float>::infinity()};
}

void check_refused(const std::function<void()>& body, const std::vector<std::string>& words) {
  const std::string error = error_of(body);
  for (const std::string& word : words) CHECK(error.find(word) != std::string::npos, "'", word, "' in: ", error);
}

TEST(good_attributes_pass) {
  CHECK(error_of([] { check_attributes(good()); }).empty());
}

TEST(bad_attributes_are_named) {
  auto with = [](const std::function<void(LayerAttributes&)>& change) {
    return [change] {
      LayerAttributes a = good();
      change(a);
      check_attributes(a);
    };
  };
  check_refused(with([](auto& a) { a.strides[1] = 0; }), {"strides", "0", "from 1 to"});
  check_refused(with([](auto& a) { a.dilations[0] = -1; }), {"dilations", "-1"});
  check_refused(with([](auto& a) { a.pads[2] = -3; }), {"pads", "-3"});
  check_refused(with([](auto& a) { a.group = 0; }), {"group"});
  check_refused(with([](auto& a) { a.channels = 0; }), {"channels"});
  check_refused(with([](auto& a) { a.pattern.tile.pop_back(); }), {"pattern", "3 entries", "(2, 2)"});
  check_refused(with([](auto& a) { a.pattern.rows = 0; }), {"pattern_shape"});
  // The product of these is 4 in 64 bits.
  check_refused(with([](auto& a) { a.pattern.rows = int64_t{1} << 32, a.pattern.columns = (int64_t{1} << 32) + 1; }),
                {"pattern_shape"});
  check_refused(with([](auto& a) { a.pattern.rows = 3, a.pattern.columns = 715827884; }), {"pattern", "4 entries"});
  check_refused(with([](auto& a) { a.pads[0] = std::numeric_limits<int64_t>::max(); }), {"pads"});
  check_refused(with([](auto& a) { a.dilations[0] = int64_t{1} << 62; }), {"dilations"});
  check_refused(with([](auto& a) { a.threshold.assign(3, 0.0f); }), {"threshold", "3 values", "8"});
  check_refused(with([](auto& a) { a.threshold.clear(); }), {"threshold", "0 values"});
  check_refused(with([](auto& a) { a.bound = -1.0f; }), {"bound"});
  check_refused(with([](auto& a) { a.bound = std::numeric_limits<float>::quiet_NaN(); }), {"bound"});
}

TEST(shapes_follow_the_layout) {
  LayerAttributes a = good();
  a.strides = {2, 1};
  a.layout = Layout::kNhwc;
  const Geometry g = make_geometry(a, {8, 4, 3, 3}, {2, 10, 7, 4});
  CHECK(g.in_channels == 4 && g.in_height == 10 && g.in_width == 7 && g.out_height == 5 && g.out_width == 7);
  CHECK(output_shape(a, g) == (std::vector<int64_t>{2, 5, 7, 8}));
  a.layout = Layout::kNchw;
  CHECK(output_shape(a, make_geometry(a, {8, 4, 3, 3}, {2, 4, 10, 7})) == (std::vector<int64_t>{2, 8, 5, 7}));
  a.layout = Layout::kNhwc;
  check_refused([&] { make_geometry(a, {8, 4, 3, 3}, {2, 4, 10, 7}); }, {"X", "7 channels", "4"});
  check_refused([&] { make_geometry(a, {8, 4, 3, 3}, {2, 4, 10}); }, {"(N, H, W, C)"});
}

TEST(bad_shapes_are_named) {
  const LayerAttributes a = good();
  check_refused([&] { check_weight_shape(a, {8, 4, 3}); }, {"W", "(8, 4, 3)", "4 dimensions"});
  check_refused([&] { check_weight_shape(a, {8, 4, 0, 3}); }, {"W", "(8, 4, 0, 3)"});
  check_refused([&] { check_weight_shape(a, {9, 4, 3, 3}); }, {"W", "9", "channels is 8"});
  check_refused(
      [&] {
        LayerAttributes grouped = a;
        grouped.group = 3;
        check_weight_shape(grouped, {8, 4, 3, 3});
      },
      {"W", "8", "group 3"});
  check_refused([&] { make_geometry(a, {8, 4, 3, 3}, {1, 5, 9, 9}); }, {"X", "5 channels", "4"});
  check_refused([&] { make_geometry(a, {8, 4, 3, 3}, {1, 4, 9}); }, {"X", "(1, 4, 9)"});
  check_refused([&] { make_geometry(a, {8, 4, 3, 3}, {1, 4, 0, 9}); }, {"X", "(1, 4, 0, 9)"});
  check_refused([&] { make_geometry(a, {8, 4, 3, 3}, {-1, 4, 9, 9}); }, {"X", "(-1, 4, 9, 9)", "negative"});
  check_refused([&] { make_geometry(a, {8, 4, 7, 3}, {1, 4, 4, 9}); }, {"X", "smaller than the dilated kernel (7, 3)"});
  check_refused(
      [&] {
        LayerAttributes padded = a;
        padded.pads = {1 << 30, 1 << 30, 1 << 30, 1 << 30};
        make_geometry(padded, {8, 4, 3, 3}, {1, 4, 9, 9});
      },
      {"X", "more than"});
  check_refused([&] { check_shape("Z", {1, 2}, {1, 3}); }, {"Z", "(1, 2)", "(1, 3)"});
}

TEST(geometry_follows_conv) {
  LayerAttributes a = good();
  a.strides = {2, 1};
  a.dilations = {1, 2};
  a.pads = {1, 0, 0, 3};
  const Geometry g = make_geometry(a, {8, 4, 3, 3}, {0, 4, 10, 12});
  CHECK(g.batch == 0 && g.out_height == 5 && g.out_width == 11, g.out_height, " x ", g.out_width);
}

}  // namespace
}  // namespace zaponnx::testing
