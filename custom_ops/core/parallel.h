// Parallel loops, as ORT's thread pool offers them to a kernel.
#pragma once

#include <atomic>
#include <cstddef>
#include <exception>
#include <thread>

namespace zaponnx {

// Runs body(0) ... body(count - 1) on any number of threads and returns when all are done; then throws the first
// exception that a body threw. Bodies start in ascending order, as threads become free, so one may wait for an earlier
// one. A body must not start another loop.
class Parallel {
 public:
  virtual ~Parallel() = default;

  template <typename Body>
  void operator()(size_t count, const Body& body) const {
    loop(count, [&](size_t nth) { body(nth); });
  }

  // The same in another order: the calling thread starts with body(0), the others with body(count - 1). So in loops
  // over the same things a thread meets those again that it has in its caches; where two cores have no cache in common,
  // that decides. Bodies wait for none.
  template <typename Body>
  void from_both_ends(size_t count, const Body& body) const {
    const std::thread::id caller = std::this_thread::get_id();
    std::atomic<size_t> front{0}, back{0};
    loop(count, [&](size_t) { body(std::this_thread::get_id() == caller ? front++ : count - 1 - back++); });
  }

  // How many may run bodies at a time, at most.
  virtual size_t threads() const = 0;

 protected:
  // Calls work(data), which does not throw, on the calling thread or on as many as there are, `most` at most; returns
  // when all have returned.
  virtual void run(size_t most, void (*work)(void* data), void* data) const = 0;

 private:
  template <typename Body>
  void loop(size_t count, const Body& body) const {
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
};

class Serial final : public Parallel {
 public:
  size_t threads() const override { return 1; }

 protected:
  void run(size_t, void (*work)(void* data), void* data) const override { work(data); }
};

}  // namespace zaponnx
