// Three threads of its own, unlike ORT's pool started per loop: slow, but real concurrency.
#pragma once

#include <thread>
#include <vector>

#include "core/parallel.h"

namespace zaponnx::testing {

class Threads final : public Parallel {
 protected:
  void run(size_t, void (*work)(void*), void* data) const override {
    std::vector<std::thread> threads;
    for (size_t t = 0; t < 3; ++t) threads.emplace_back(work, data);
    for (std::thread& thread : threads) thread.join();
  }
};

}  // namespace zaponnx::testing
