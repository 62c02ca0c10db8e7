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
          work();
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

  int size() const { return size_; }

 protected:
  void run(size_t count, void (*task)(void* data, size_t index), void* data) const override {
    count_ = count;
    task_ = task;
    data_ = data;
    next_ = 0;
    finished_ = 0;
    generation_.fetch_add(1, std::memory_order_release);
    work();
    while (finished_.load(std::memory_order_acquire) != size_ - 1) {
    }
  }

 private:
  void work() const {
    for (size_t i = next_++; i < count_; i = next_++) task_(data_, i);
  }

  int size_;
  std::vector<std::thread> threads_;
  mutable std::atomic<int> generation_{0}, finished_{0};
  mutable std::atomic<size_t> next_{0};
  std::atomic<bool> stop_{false};
  mutable size_t count_ = 0;
  mutable void (*task_)(void*, size_t) = nullptr;
  mutable void* data_ = nullptr;
};

}  // namespace zaponnx
