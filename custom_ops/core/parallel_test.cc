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

TEST(from_both_ends_runs_every_index_once) {
  std::vector<size_t> order;
  Serial().from_both_ends(3, [&](size_t i) { order.push_back(i); });
  CHECK((order == std::vector<size_t>{0, 1, 2}));
  const std::thread::id caller = std::this_thread::get_id();
  std::vector<size_t> front, back;
  std::atomic<int> begun{0};
  Threads(2).from_both_ends(1000, [&](size_t i) {
    std::vector<size_t>& mine = std::this_thread::get_id() == caller ? front : back;
    mine.push_back(i);
    if (mine.size() == 1) ++begun;
    while (begun < 2) std::this_thread::yield();
  });
  CHECK(!front.empty() && !back.empty() && front.size() + back.size() == 1000);
  for (size_t i = 0; i < front.size(); ++i) CHECK(front[i] == i, i);
  for (size_t i = 0; i < back.size(); ++i) CHECK(back[i] == 999 - i, i);
}

TEST(from_both_ends_an_exception_comes_out_after_all_have_run) {
  std::vector<std::atomic<int>> runs(100);
  const std::string error = error_of([&] {
    Threads().from_both_ends(runs.size(), [&](size_t i) {
      ++runs[i];
      throw std::runtime_error("no memory");
    });
  });
  CHECK(error == "no memory", error);
  for (size_t i = 0; i < runs.size(); ++i) CHECK(runs[i] == 1, i);
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
