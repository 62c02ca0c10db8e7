// The C interface: what it refuses, and what it says.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "cuda/testing/cuda_kernel.h"
#include "testing/check.h"

namespace zaponnx::testing {
namespace {

Case small_case() {
  Case c;
  c.attributes = {Layout::kNchw, {1, 1}, {1, 1}, {1, 1, 1, 1}, 1, 8, {2, 2, {1, 0, 0, 1}}, {0.5f}, 6.0f};
  c.w_shape = {8, 4, 3, 3};
  c.x_shape = {1, 4, 6, 6};
  std::mt19937 rng(1);
  c.randomize(rng);
  return c;
}

struct Made {
  Case c = small_case();
  zaponnx_cuda_layer* layer = nullptr;

  explicit Made(Layout layout = Layout::kNchw) {
    c.attributes.layout = layout;
    const auto d = description_of(c.attributes, c.weights(), kStrict);
    CHECK(zaponnx_cuda_layer_create(&d, &layer) == ZAPONNX_CUDA_OK, zaponnx_cuda_error());
  }
  ~Made() { zaponnx_cuda_layer_destroy(layer); }
};

void expect_error(int actual, int code, const std::string& part) {
  CHECK(actual == code, actual);
  CHECK(std::string(zaponnx_cuda_error()).find(part) != std::string::npos, zaponnx_cuda_error(), ", not ", part);
}

TEST(versions_agree) { CHECK(zaponnx_cuda_interface() == ZAPONNX_CUDA_INTERFACE); }

TEST(wrong_descriptions_are_refused) {
  const Case c = small_case();
  zaponnx_cuda_layer* layer = nullptr;
  const auto refused = [&](auto&& change, const char* part) {
    auto d = description_of(c.attributes, c.weights(), kStrict);
    change(d);
    expect_error(zaponnx_cuda_layer_create(&d, &layer), ZAPONNX_CUDA_INVALID_ARGUMENT, part);
    CHECK(layer == nullptr);
  };
  using Description = zaponnx_cuda_layer_description;
  refused([](Description& d) { d.strides[0] = 0; }, "strides has the value 0");
  refused([](Description& d) { d.group = 3; }, "group 3 does not divide");
  refused([](Description& d) { d.W = nullptr; }, "null pointer");
  refused([](Description& d) { d.pattern_shape[1] = 1ll << 40; }, "pattern_shape");
  refused([](Description& d) { d.threshold_count = 0; }, "threshold_count");
  refused([](Description& d) { d.layout = 2; }, "layout is 2");
  refused([](Description& d) { d.precision = 3; }, "precision is 3");
  refused([](Description& d) { d.bound = -1; }, "bound is -1");
  const std::vector<float> infinite(8 * 4 * 9, INFINITY);
  refused([&](Description& d) { d.W = infinite.data(); }, "infinite or not a number");
  expect_error(zaponnx_cuda_layer_create(nullptr, &layer), ZAPONNX_CUDA_INVALID_ARGUMENT, "null pointer");
}

TEST(wrong_runs_are_refused) {
  const Made made;
  alignas(256) static unsigned char workspace[1 << 20];
  const int64_t x_shape[4] = {1, 4, 6, 6};
  const int64_t wrong[4] = {1, 5, 6, 6};
  float y[8 * 36];
  size_t bytes = 0;
  CHECK(zaponnx_cuda_workspace_size(made.layer, x_shape, &bytes) == ZAPONNX_CUDA_OK);
  CHECK(bytes > 0 && bytes <= sizeof workspace, bytes);
  const auto run = [&](const int64_t* shape, void* out, void* memory, size_t size) {
    return zaponnx_cuda_run(made.layer, shape, made.c.x.data(), nullptr, out, memory, size, nullptr);
  };
  expect_error(run(wrong, y, workspace, bytes), ZAPONNX_CUDA_INVALID_ARGUMENT, "input X has 5 channels");
  expect_error(run(x_shape, nullptr, workspace, bytes), ZAPONNX_CUDA_INVALID_ARGUMENT, "null pointer");
  expect_error(run(x_shape, y, workspace, bytes - 1), ZAPONNX_CUDA_INVALID_ARGUMENT, "it must have");
  expect_error(run(x_shape, y, workspace + 8, bytes), ZAPONNX_CUDA_INVALID_ARGUMENT, "not aligned");
  CHECK(run(x_shape, y, workspace, bytes) == ZAPONNX_CUDA_OK);
}

// X lies 4 bytes off: where it is staged that is no matter, and where it is read in vectors it is an error.
TEST(arrays_are_aligned_as_they_are_read) {
  alignas(256) static unsigned char workspace[1 << 20];
  alignas(16) float x[1 + 4 * 36];
  alignas(16) float y[8 * 36];
  for (Layout layout : {Layout::kNchw, Layout::kNhwc}) {
    const Made made(layout);
    const bool nchw = layout == Layout::kNchw;
    const int64_t x_shape[4] = {1, nchw ? 4 : 6, 6, nchw ? 6 : 4};
    std::copy(made.c.x.begin(), made.c.x.end(), x + 1);
    const auto run = [&](size_t in, size_t out) {
      return zaponnx_cuda_run(made.layer, x_shape, reinterpret_cast<char*>(x) + in, nullptr,
                              reinterpret_cast<char*>(y) + out, workspace, sizeof workspace, nullptr);
    };
    expect_error(run(2, 0), ZAPONNX_CUDA_INVALID_ARGUMENT, "x is not aligned to " + std::string(nchw ? "4" : "16"));
    expect_error(run(0, 2), ZAPONNX_CUDA_INVALID_ARGUMENT, "y is not aligned to 4 bytes");
    if (!nchw) {
      expect_error(run(4, 0), ZAPONNX_CUDA_INVALID_ARGUMENT, "x is not aligned to 16 bytes");
      continue;
    }
    CHECK(run(4, 0) == ZAPONNX_CUDA_OK, zaponnx_cuda_error());
    CHECK(std::vector<float>(std::begin(y), std::end(y)) == run_kernel(cuda_kernel(kStrict), made.c, Serial()));
  }
}

TEST(an_empty_batch_does_nothing) {
  const Made made;
  const int64_t x_shape[4] = {0, 4, 6, 6};
  int64_t y_shape[4];
  size_t bytes = 1;
  CHECK(zaponnx_cuda_output_shape(made.layer, x_shape, y_shape) == ZAPONNX_CUDA_OK);
  CHECK(y_shape[0] == 0 && y_shape[1] == 8 && y_shape[2] == 6 && y_shape[3] == 6);
  CHECK(zaponnx_cuda_workspace_size(made.layer, x_shape, &bytes) == ZAPONNX_CUDA_OK && bytes == 0);
  CHECK(zaponnx_cuda_run(made.layer, x_shape, nullptr, nullptr, nullptr, nullptr, 0, nullptr) == ZAPONNX_CUDA_OK);
}

TEST(the_device_is_named) {
  char text[64];
  CHECK(zaponnx_cuda_device(text, sizeof text) == ZAPONNX_CUDA_OK);
  CHECK(std::string(text) == "emulation, sm_90", text);
  CHECK(zaponnx_cuda_device(text, 5) == ZAPONNX_CUDA_OK && std::string(text) == "emul", text);
  CHECK(zaponnx_cuda_device(nullptr, 0) == ZAPONNX_CUDA_OK);
}

TEST(a_machine_without_a_driver_is_told_so) {
  cuda::emulation::Settings without;
  without.failure = cudaErrorInsufficientDriver;
  const Emulating emulating(without);
  char text[256];
  expect_error(zaponnx_cuda_device(text, sizeof text), ZAPONNX_CUDA_NO_DEVICE, "Install NVIDIA's driver");
  CHECK(std::strcmp(text, zaponnx_cuda_error()) == 0, text);
  const Case c = small_case();
  const auto d = description_of(c.attributes, c.weights(), kStrict);
  zaponnx_cuda_layer* layer = nullptr;
  expect_error(zaponnx_cuda_layer_create(&d, &layer), ZAPONNX_CUDA_NO_DEVICE, "ZapConv on CUDA");
}

TEST(a_gpu_without_code_is_told_what_is_needed) {
  for (const auto& [error, remedy] : {std::pair{cudaErrorNoKernelImageForDevice, "sm_75 or later"},
                                      std::pair{cudaErrorInvalidDeviceFunction, "sm_75 or later"},
                                      std::pair{cudaErrorUnsupportedPtxVersion, "Install NVIDIA's driver"}}) {
    cuda::emulation::Settings without;
    without.failure = error;
    const Emulating emulating(without);
    expect_error(zaponnx_cuda_device(nullptr, 0), ZAPONNX_CUDA_NO_DEVICE, remedy);
  }
}

TEST(one_gpu_of_several_is_too_old) {
  cuda::emulation::Settings mixed;
  mixed.architectures = {70, 90};
  const Case c = small_case();
  const auto d = description_of(c.attributes, c.weights(), kStrict);
  zaponnx_cuda_layer* layer = nullptr;
  char text[64];
  {
    const Emulating emulating(mixed);
    CHECK(zaponnx_cuda_device(text, sizeof text) == ZAPONNX_CUDA_OK && std::string(text) == "emulation, sm_90", text);
    expect_error(zaponnx_cuda_layer_create(&d, &layer), ZAPONNX_CUDA_NO_DEVICE,
                 "loading the kernels: emulated error. The kernels need a GPU of sm_75 or later; choose another");
  }
  mixed.device = 1;
  {
    const Emulating emulating(mixed);
    CHECK(zaponnx_cuda_layer_create(&d, &layer) == ZAPONNX_CUDA_OK, zaponnx_cuda_error());
    zaponnx_cuda_layer_destroy(layer);
  }
  mixed.architectures = {70, 61};
  const Emulating emulating(mixed);
  expect_error(zaponnx_cuda_device(nullptr, 0), ZAPONNX_CUDA_NO_DEVICE, "among emulation, sm_70; emulation, sm_61: ");
}

TEST(errors_of_the_device_have_codes) {
  const Made made;
  const int64_t x_shape[4] = {1, 4, 6, 6};
  float y[8 * 36];
  alignas(256) static unsigned char workspace[1 << 20];
  for (const auto& [error, code] : {std::pair{cudaErrorMemoryAllocation, int{ZAPONNX_CUDA_OUT_OF_MEMORY}},
                                    std::pair{cudaError_t(700), int{ZAPONNX_CUDA_FAILURE}}}) {
    cuda::emulation::Settings failing;
    failing.failure = error;
    const Emulating emulating(failing);
    expect_error(
        zaponnx_cuda_run(made.layer, x_shape, made.c.x.data(), nullptr, y, workspace, sizeof workspace, nullptr), code,
        "listing the pattern");
  }
}

}  // namespace
}  // namespace zaponnx::testing
