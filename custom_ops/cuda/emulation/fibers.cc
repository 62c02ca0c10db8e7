// The scheduler of the emulated blocks, and the asynchronous copies.
#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <numeric>
#include <random>
#include <vector>

#include "cuda/emulation/intrinsics.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

namespace zaponnx::cuda::emulation {
namespace {

constexpr size_t kStackBytes = 128 << 10;

struct Copy {
  uint4* shared;
  const void* global;
  bool valid;
};

enum class State { kReady, kAtBarrier, kInWarp, kDone };

struct Fiber {
  ucontext_t context;  // where it begins
  jmp_buf place;       // where it goes on: unlike swapcontext, jumps need no system calls
  bool begun;
  std::unique_ptr<char[]> stack{new char[kStackBytes]};
  State state;
  Thread index;
  const void* kind;  // of the collective that it waits in
  void* given;
  std::vector<Copy> open;
  std::deque<std::vector<Copy>> groups;
};

struct Scheduler {
  jmp_buf place;
  std::vector<std::unique_ptr<Fiber>> fibers;  // kept for later blocks
  int count = 0;
  Fiber* running = nullptr;
  const std::function<void()>* kernel = nullptr;
  const void* stack_bottom = nullptr;
  size_t stack_size = 0;
};

Scheduler& scheduler() {
  static Scheduler instance;
  return instance;
}

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "emulated block %u: %s\n", scheduler().running ? blockIdx.x : 0, what);
  std::abort();
}

// The address sanitizer is told of each change of stacks.
void to_fiber(Fiber& fiber) {
  scheduler().running = &fiber;
#ifdef __SANITIZE_ADDRESS__
  void* fake = nullptr;
  __sanitizer_start_switch_fiber(&fake, fiber.stack.get(), kStackBytes);
#endif
  if (_setjmp(scheduler().place) == 0) {
    if (fiber.begun) _longjmp(fiber.place, 1);
    fiber.begun = true;
    setcontext(&fiber.context);
  }
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
}

void to_scheduler(bool for_good) {
  Scheduler& s = scheduler();
  Fiber& fiber = *s.running;
#ifdef __SANITIZE_ADDRESS__
  void* fake = nullptr;
  __sanitizer_start_switch_fiber(for_good ? nullptr : &fake, s.stack_bottom, s.stack_size);
#endif
  (void)for_good;
  if (_setjmp(fiber.place) == 0) _longjmp(s.place, 1);
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(fake, &s.stack_bottom, &s.stack_size);
#endif
}

void enter() {
  Scheduler& s = scheduler();
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(nullptr, &s.stack_bottom, &s.stack_size);
#endif
  (*s.kernel)();
  s.running->state = State::kDone;
  to_scheduler(true);
}

void prepare(Fiber& fiber, const Thread& index) {
  fiber.begun = false;
  fiber.state = State::kReady;
  fiber.index = index;
  fiber.open.clear();
  fiber.groups.clear();
  getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = fiber.stack.get();
  fiber.context.uc_stack.ss_size = kStackBytes;
  fiber.context.uc_link = nullptr;
  makecontext(&fiber.context, enter, 0);
}

std::vector<int64_t> in_order(int64_t count, std::mt19937& rng) {
  std::vector<int64_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  if (settings().order == Order::kBackward) std::reverse(order.begin(), order.end());
  if (settings().order == Order::kShuffled) std::shuffle(order.begin(), order.end(), rng);
  return order;
}

void run_block(int threads, std::mt19937& rng) {
  Scheduler& s = scheduler();
  while (true) {
    bool progress = false;
    bool all_done = true;
    for (int64_t i : in_order(threads, rng)) {
      Fiber& fiber = *s.fibers[i];
      if (fiber.state == State::kReady) {
        to_fiber(fiber);
        progress = true;
      }
      all_done = all_done && fiber.state == State::kDone;
    }
    if (all_done) return;
    const auto waiting = [&](int i) { return s.fibers[i]->state == State::kAtBarrier; };
    const auto done = [&](int i) { return s.fibers[i]->state == State::kDone; };
    bool all_at_barrier = true;
    for (int i = 0; i < threads; ++i) all_at_barrier = all_at_barrier && (waiting(i) || done(i));
    if (all_at_barrier) {
      for (int i = 0; i < threads; ++i) {
        if (waiting(i)) s.fibers[i]->state = State::kReady;
      }
    } else if (!progress) {
      fail("threads wait at different barriers");
    }
  }
}

}  // namespace

Settings& settings() {
  static Settings instance = [] {
    Settings settings;
    if (const char* failure = std::getenv("ZAPONNX_EMULATED_FAILURE"))
      settings.failure = cudaError_t(std::atoi(failure));
    return settings;
  }();
  return instance;
}

const Thread& thread() { return scheduler().running->index; }

void wait_for_block() {
  scheduler().running->state = State::kAtBarrier;
  to_scheduler(false);
}

void wait_for_warp(const void* kind, void* mine, const std::function<void(void* const (&lanes)[32])>& act) {
  Scheduler& s = scheduler();
  Fiber& self = *s.running;
  const int first = static_cast<int>(self.index.thread.x) / 32 * 32;
  self.kind = kind;
  self.given = mine;
  self.state = State::kInWarp;
  void* lanes[32];
  for (int i = 0; i < 32; ++i) {
    Fiber& lane = *s.fibers[first + i];
    if (first + i >= s.count || lane.state == State::kDone) fail("a lane of a warp's collective is gone");
    if (lane.state != State::kInWarp) {
      to_scheduler(false);
      return;
    }
    if (lane.kind != kind) fail("the lanes of a warp are in different collectives");
    lanes[i] = lane.given;
  }
  act(lanes);
  for (int i = 0; i < 32; ++i) s.fibers[first + i]->state = State::kReady;
}

void run(int64_t blocks, int threads, const std::function<void()>& kernel) {
  static std::mt19937 rng(1);
  Scheduler& s = scheduler();
  if (blocks < 1 || blocks > 0x7fffffff || threads % 32 != 0 || threads > 1024) fail("a launch of a wrong size");
  while (static_cast<int>(s.fibers.size()) < threads) s.fibers.push_back(std::make_unique<Fiber>());
  s.kernel = &kernel;
  s.count = threads;
  for (int64_t block : in_order(blocks, rng)) {
    for (int i = 0; i < threads; ++i) {
      prepare(*s.fibers[i], {{unsigned(i)}, {unsigned(block)}, {unsigned(threads)}, {unsigned(blocks)}});
    }
    run_block(threads, rng);
  }
}

void begin_copy(uint4* shared, const void* global, bool valid) {
  std::memset(shared, 0xff, sizeof *shared);  // NaNs in every type
  scheduler().running->open.push_back({shared, global, valid});
}

void commit() {
  Fiber& self = *scheduler().running;
  self.groups.push_back(std::move(self.open));
  self.open.clear();
}

void finish_copies(int pending) {
  Fiber& self = *scheduler().running;
  while (static_cast<int>(self.groups.size()) > pending) {
    for (const Copy& copy : self.groups.front()) {
      if (copy.valid) {
        std::memcpy(copy.shared, copy.global, sizeof *copy.shared);
      } else {
        std::memset(copy.shared, 0, sizeof *copy.shared);
      }
    }
    self.groups.pop_front();
  }
}

}  // namespace zaponnx::cuda::emulation
