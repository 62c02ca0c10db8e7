// Parallel loops, as ORT's thread pool offers them to a kernel.
#pragma once

#include <cstddef>

namespace zaponnx {

// Runs body(0) ... body(count - 1), in any order, on any number of threads, and returns when all are done. The body
// must not throw and must not start another loop.
class Parallel {
 public:
  virtual ~Parallel() = default;

  template <typename Body>
  void operator()(size_t count, const Body& body) const {
    auto call = [](void* data, size_t index) { (*static_cast<const Body*>(data))(index); };
    run(count, call, const_cast<Body*>(&body));
  }

 protected:
  virtual void run(size_t count, void (*task)(void* data, size_t index), void* data) const = 0;
};

class Serial final : public Parallel {
 protected:
  void run(size_t count, void (*task)(void* data, size_t index), void* data) const override {
    for (size_t i = 0; i < count; ++i) task(data, i);
  }
};

}  // namespace zaponnx
