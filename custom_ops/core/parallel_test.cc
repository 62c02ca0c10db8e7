#include "core/parallel.h"

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

#include "testing/check.h"
#include "testing/threads.h"

namespace zaponnx::testing {
namespace {

TEST(every_index_is_run_once) {
  std::vector<int> runs(100, 0);
  Serial()(runs.size(), [&](size_t i) { ++runs[i]; });
  CHECK(runs == std::vector<int>(100, 1));
  Serial()(0, [](size_t) { CHECK(false); });
}

TEST(bodies_start_in_ascending_order) {
  // A body that waits for the one before it would never end if that had not started.
  std::vector<std::atomic<bool>> started(200);
  Threads()(started.size(), [&](size_t i) {
    started[i] = true;
    while (i > 0 && !started[i - 1]) std::this_thread::yield();
  });
  for (const auto& flag : started) CHECK(flag);
}

TEST(the_first_exception_comes_out_after_all_have_run) {
  int runs = 0;
  const std::string error = error_of([&] {
    Serial()(5, [&](size_t i) {
      ++runs;
      if (i > 1) throw std::runtime_error(text("index ", i));
    });
  });
  CHECK(error == "index 2", error);
  CHECK(runs == 5, runs);
}

}  // namespace
}  // namespace zaponnx::testing
