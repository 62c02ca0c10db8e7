// Parallel loops, as ORT's thread pool offers them to a kernel.
#pragma once

#include <atomic>
#include <cstddef>
#include <exception>

namespace zaponnx {

// Runs body(0) ... body(count - 1), in any order, on any number of threads, and returns when all are done; then throws
// the first exception that a body threw. A body must not start another loop.
class Parallel {
 public:
  virtual ~Parallel() = default;

  template <typename Body>
  void operator()(size_t count, const Body& body) const {
    struct Guarded {
      const Body& body;
      std::exception_ptr error;
      std::atomic_flag failed = ATOMIC_FLAG_INIT;
    } guarded{body, nullptr};
    auto call = [](void* data, size_t index) noexcept {
      auto& g = *static_cast<Guarded*>(data);
      try {
        g.body(index);
      } catch (...) {
        if (!g.failed.test_and_set()) g.error = std::current_exception();
      }
    };
    if (count > 0) run(count, call, &guarded);
    if (guarded.error) std::rethrow_exception(guarded.error);
  }

 protected:
  // Calls task(data, 0) ... task(data, count - 1); count is not 0, and task does not throw.
  virtual void run(size_t count, void (*task)(void* data, size_t index), void* data) const = 0;
};

class Serial final : public Parallel {
 protected:
  void run(size_t count, void (*task)(void* data, size_t index), void* data) const override {
    for (size_t i = 0; i < count; ++i) task(data, i);
  }
};

}  // namespace zaponnx
