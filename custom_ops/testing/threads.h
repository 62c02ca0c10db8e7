// The calling thread and others, unlike ORT's pool started per loop: slow, but real concurrency.
#pragma once

#include <thread>
#include <vector>

#include "core/parallel.h"

namespace zaponnx::testing {

class Threads final : public Parallel {
 public:
  explicit Threads(size_t threads = 3) : threads_(threads) {}

  size_t threads() const override { return threads_; }

 protected:
  void run(size_t, void (*work)(void*), void* data) const override {
    std::vector<std::thread> threads;
    for (size_t t = 1; t < threads_; ++t) threads.emplace_back(work, data);
    work(data);
    for (std::thread& thread : threads) thread.join();
  }

 private:
  size_t threads_;
};

}  // namespace zaponnx::testing
