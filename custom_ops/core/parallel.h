// Parallel loops, as ORT's thread pool offers them to a kernel.
#pragma once

#include <atomic>
#include <cstddef>
#include <exception>

namespace zaponnx {

// Runs body(0) ... body(count - 1) on any number of threads and returns when all are done; then throws the first
// exception that a body threw. Bodies start in ascending order, as threads become free, so one may wait for an earlier
// one. A body must not start another loop.
class Parallel {
 public:
  virtual ~Parallel() = default;

  template <typename Body>
  void operator()(size_t count, const Body& body) const {
    struct Guarded {
      const Body& body;
      const size_t count;
      std::atomic<size_t> next;
      std::exception_ptr error;
      std::atomic_flag failed;
    } guarded{body, count, {}, {}, ATOMIC_FLAG_INIT};
    auto work = [](void* data) noexcept {
      auto& g = *static_cast<Guarded*>(data);
      for (size_t index = g.next++; index < g.count; index = g.next++) {
        try {
          g.body(index);
        } catch (...) {
          if (!g.failed.test_and_set()) g.error = std::current_exception();
        }
      }
    };
    if (count > 0) run(count, work, &guarded);
    if (guarded.error) std::rethrow_exception(guarded.error);
  }

  // How many may run bodies at a time, at most.
  virtual size_t threads() const = 0;

 protected:
  // Calls work(data), which does not throw, on the calling thread or on as many as there are, `most` at most; returns
  // when all have returned.
  virtual void run(size_t most, void (*work)(void* data), void* data) const = 0;
};

class Serial final : public Parallel {
 public:
  size_t threads() const override { return 1; }

 protected:
  void run(size_t, void (*work)(void* data), void* data) const override { work(data); }
};

}  // namespace zaponnx
