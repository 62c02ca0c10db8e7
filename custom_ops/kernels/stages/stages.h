// The order of a call's work, and what waits for what.
//
// The map is computed in waves, a few rows of tiles at a time, so that what one step of a wave writes is still in a
// cache when the next one reads it: pack copies the parts of X that the wave reads, compute computes from them, and
// rest, where there is one, looks at what was computed up to one wave around:
//
//   pack(0)  compute(0)   pack(1)  compute(1)  rest(0)   pack(2)  compute(2)  rest(1)  ...
//
// All jobs of all stages are one parallel loop. Stages start in this order and wait only for earlier ones, so they
// cannot wait for each other. rest(w) waits for compute(w - 1), compute(w) and compute(w + 1). pack(w) writes over what
// wave w - slots has packed, so it waits for the last stage of that wave; and for pack(w - 1), so that whatever waits
// for pack(w) has all waves up to w - slots behind it.
//
// Within a stage the thread that made it starts with the first job, the others with the last one, so that in all
// stages, and in neighbouring layers, a thread meets what it has in its caches: where two cores have no cache in
// common, layers took up to 1.3 times as long without that.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <utility>
#include <vector>

namespace zaponnx {

enum class Step { kPack, kCompute, kRest };

struct Stage {
  Step step;
  int64_t wave;
  int64_t first_job, jobs;
  std::vector<size_t> after;  // the stages that it waits for
};

class Stages {
 public:
  // jobs(step, wave): how many; without `rest`, waves end with compute.
  template <typename Jobs>
  Stages(int64_t waves, int64_t slots, bool rest, const Jobs& jobs) {
    std::vector<size_t> pack, compute, last;
    auto add = [&](Step step, int64_t wave, std::vector<size_t> after) {
      stages_.push_back({step, wave, count_, jobs(step, wave), std::move(after)});
      count_ += stages_.back().jobs;
      return stages_.size() - 1;
    };
    auto add_rest = [&](int64_t wave) {
      const int64_t first = std::max<int64_t>(wave - 1, 0);
      const int64_t end = std::min(wave + 2, waves);
      last.push_back(add(Step::kRest, wave, {compute.begin() + first, compute.begin() + end}));
    };
    for (int64_t wave = 0; wave < waves; ++wave) {
      std::vector<size_t> after;
      if (wave >= slots) after.push_back(last[wave - slots]);
      if (wave >= 1) after.push_back(pack.back());
      pack.push_back(add(Step::kPack, wave, std::move(after)));
      compute.push_back(add(Step::kCompute, wave, {pack.back()}));
      if (!rest) last.push_back(compute.back());
      if (rest && wave >= 1) add_rest(wave - 1);
    }
    if (rest) add_rest(waves - 1);
    progress_ = std::vector<Progress>(stages_.size());
  }

  int64_t jobs() const { return count_; }

  // Runs a job of the stage that the loop's job `index` is in, once the stages before it are done:
  // body(stage, index within the stage).
  template <typename Body>
  void run(int64_t index, const Body& body) {
    const auto next = std::upper_bound(stages_.begin(), stages_.end(), index,
                                       [](int64_t job, const Stage& stage) { return job < stage.first_job; });
    const Stage& stage = *(next - 1);
    for (size_t before : stage.after) {
      if (!wait(before)) return;
    }
    Progress& progress = progress_[&stage - stages_.data()];
    try {
      const bool front = std::this_thread::get_id() == maker_;
      body(stage, front ? progress.front++ : stage.jobs - 1 - progress.back++);
    } catch (...) {
      failed_ = true;
      throw;
    }
    progress.done.fetch_add(1, std::memory_order_release);
  }

 private:
  // The jobs of a stage that were begun, from the front and from the back, and those that are done.
  struct Progress {
    std::atomic<int64_t> front{0}, back{0}, done{0};
  };

  // False if a job has failed, whose stage will never be done.
  bool wait(size_t stage) const {
    constexpr int kSpins = 1000;
    for (int spin = 0; progress_[stage].done.load(std::memory_order_acquire) < stages_[stage].jobs; ++spin) {
      if (failed_) return false;
      // On a machine with more threads than cores, the awaited one may need this core.
      if (spin >= kSpins) std::this_thread::yield();
    }
    return true;
  }

  std::vector<Stage> stages_;
  std::vector<Progress> progress_;
  std::atomic<bool> failed_{false};
  const std::thread::id maker_ = std::this_thread::get_id();
  int64_t count_ = 0;
};

}  // namespace zaponnx
