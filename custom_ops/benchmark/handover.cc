#include "benchmark/handover.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <thread>

namespace zaponnx {
namespace {

void wait_for(const std::atomic<int>& turn, int value) {
  constexpr int kSpins = 10'000;
  // On a machine with one core, the other thread needs it.
  for (int spin = 0; turn.load(std::memory_order_acquire) != value; ++spin) {
    if (spin >= kSpins) std::this_thread::yield();
  }
}

}  // namespace

double handover_ns() {
  constexpr int kTurns = 2000;
  std::array<double, 9> times;
  alignas(64) std::atomic<int> turn{0};
  const int turns = kTurns * static_cast<int>(times.size());
  std::thread other([&] {
    for (int i = 0; i < turns; ++i) {
      wait_for(turn, 2 * i + 1);
      turn.store(2 * i + 2, std::memory_order_release);
    }
  });
  int i = 0;
  for (double& time : times) {
    const auto start = std::chrono::steady_clock::now();
    for (const int end = i + kTurns; i < end; ++i) {
      turn.store(2 * i + 1, std::memory_order_release);
      wait_for(turn, 2 * i + 2);
    }
    time = std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count() / kTurns;
  }
  other.join();
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

}  // namespace zaponnx
