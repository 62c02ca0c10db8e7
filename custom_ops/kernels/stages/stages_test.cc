// The order of the stages: everything once, nothing before what it waits for, and a failure that ends the call.
#include "kernels/stages/stages.h"

#include <stdexcept>

#include "testing/check.h"
#include "testing/threads.h"

namespace zaponnx::testing {
namespace {

constexpr int64_t kJobs = 5;

int64_t five_jobs(Step, int64_t) { return kJobs; }

TEST(stages_wait_for_what_they_read_and_overwrite) {
  for (int64_t waves : {1, 2, 3, 4, 9}) {
    for (bool has_rest : {false, true}) {
      const int64_t slots = std::min<int64_t>(waves, 3);
      Stages stages(waves, slots, has_rest, five_jobs);
      CHECK(stages.jobs() == waves * kJobs * (has_rest ? 3 : 2), waves);
      // Jobs done, by step and wave.
      std::vector<std::vector<std::atomic<int64_t>>> done(3);
      for (auto& of_step : done) of_step = std::vector<std::atomic<int64_t>>(waves);
      auto complete = [&](Step step, int64_t wave) {
        return wave < 0 || wave >= waves || done[static_cast<size_t>(step)][wave] == kJobs;
      };
      std::atomic<int64_t> early{0};
      Threads()(stages.jobs(), [&](size_t job) {
        stages.run(static_cast<int64_t>(job), [&](const Stage& stage, int64_t) {
          const int64_t w = stage.wave;
          if (stage.step == Step::kPack) {
            for (int64_t old = 0; old <= w - slots; ++old) {
              early += !complete(has_rest ? Step::kRest : Step::kCompute, old);
            }
          } else if (stage.step == Step::kCompute) {
            early += !complete(Step::kPack, w);
          } else {
            for (int64_t read : {w - 1, w, w + 1}) early += !complete(Step::kCompute, read);
          }
          ++done[static_cast<size_t>(stage.step)][w];
        });
      });
      CHECK(early == 0, waves, " waves: ", early.load(), " jobs ran too early");
      for (int64_t w = 0; w < waves; ++w) {
        CHECK(complete(Step::kPack, w) && complete(Step::kCompute, w), waves, " waves, wave ", w);
        CHECK(!has_rest || complete(Step::kRest, w), waves, " waves, wave ", w);
      }
    }
  }
}

TEST(threads_meet_from_both_ends_of_a_stage) {
  const int64_t count = 200;
  Stages stages(1, 1, false, [&](Step, int64_t) { return count; });
  const std::thread::id maker = std::this_thread::get_id();
  std::vector<std::vector<int64_t>> front(2), back(2);
  std::atomic<int> begun{0};
  Threads(2)(stages.jobs(), [&](size_t job) {
    stages.run(static_cast<int64_t>(job), [&](const Stage& stage, int64_t index) {
      const size_t step = static_cast<size_t>(stage.step);
      std::vector<int64_t>& mine = (std::this_thread::get_id() == maker ? front : back)[step];
      mine.push_back(index);
      if (step == 0 && mine.size() == 1) ++begun;
      while (begun < 2) std::this_thread::yield();
    });
  });
  CHECK(!front[0].empty() && !back[0].empty());
  for (size_t step = 0; step < 2; ++step) {
    CHECK(static_cast<int64_t>(front[step].size() + back[step].size()) == count, step);
    for (size_t i = 0; i < front[step].size(); ++i) CHECK(front[step][i] == static_cast<int64_t>(i), i);
    for (size_t i = 0; i < back[step].size(); ++i) CHECK(back[step][i] == count - 1 - static_cast<int64_t>(i), i);
  }
}

TEST(a_failed_job_ends_the_call) {
  Stages stages(6, 3, true, five_jobs);
  const std::string error = error_of([&] {
    Threads()(stages.jobs(), [&](size_t job) {
      stages.run(static_cast<int64_t>(job), [&](const Stage& stage, int64_t) {
        if (stage.step == Step::kCompute && stage.wave == 2) throw std::runtime_error("no memory");
      });
    });
  });
  CHECK(error == "no memory", error);
}

}  // namespace
}  // namespace zaponnx::testing
