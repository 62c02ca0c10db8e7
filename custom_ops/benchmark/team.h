// A fixed number of threads that run a loop together, spinning in between as ORT's do.
#pragma once

#include <atomic>
#include <thread>
#include <vector>

#include "core/parallel.h"

namespace zaponnx {

class Team final : public Parallel {
 public:
  explicit Team(int size) : size_(size) {
    for (int i = 1; i < size; ++i) {
      threads_.emplace_back([this] {
        for (int seen = 0;;) {
          while (generation_.load(std::memory_order_acquire) == seen) {
            if (stop_.load(std::memory_order_relaxed)) return;
          }
          ++seen;
          work_(data_);
          finished_.fetch_add(1, std::memory_order_release);
        }
      });
    }
  }
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;
  ~Team() override {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
  }

  size_t threads() const override { return static_cast<size_t>(size_); }

 protected:
  void run(size_t, void (*work)(void* data), void* data) const override {
    work_ = work;
    data_ = data;
    finished_ = 0;
    generation_.fetch_add(1, std::memory_order_release);
    work(data);
    while (finished_.load(std::memory_order_acquire) != size_ - 1) {
    }
  }

 private:
  int size_;
  std::vector<std::thread> threads_;
  mutable std::atomic<int> generation_{0}, finished_{0};
  std::atomic<bool> stop_{false};
  mutable void (*work_)(void*) = nullptr;
  mutable void* data_ = nullptr;
};

}  // namespace zaponnx
