// Memory aligned for vectors and cache lines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <new>

namespace zaponnx {

constexpr size_t kAlignment = 64;

constexpr int64_t divide_up(int64_t value, int64_t divisor) { return (value + divisor - 1) / divisor; }

constexpr int64_t round_up(int64_t value, int64_t multiple) { return divide_up(value, multiple) * multiple; }

// Where the memory of a call comes from. Both functions are called by the calling thread only.
class Memory {
 public:
  virtual ~Memory() = default;
  // Aligned to kAlignment; throws std::bad_alloc.
  virtual void* allocate(size_t bytes) = 0;
  virtual void release(void* memory) = 0;
};

class Heap final : public Memory {
 public:
  void* allocate(size_t bytes) override {
    if (bytes > std::numeric_limits<int64_t>::max() - kAlignment) throw std::bad_alloc();
    void* memory = std::aligned_alloc(kAlignment, round_up(static_cast<int64_t>(bytes), kAlignment));
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
  }
  void release(void* memory) override { std::free(memory); }
};

// An uninitialised array of trivial elements.
template <typename T>
class Array {
 public:
  Array(Memory& memory, size_t count) : memory_(memory) {
    if (count > std::numeric_limits<int64_t>::max() / sizeof(T)) throw std::bad_alloc();
    data_ = static_cast<T*>(memory.allocate(count * sizeof(T)));
  }
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;
  ~Array() { memory_.release(data_); }

  T* data() { return data_; }
  const T* data() const { return data_; }

 private:
  Memory& memory_;
  T* data_;
};

// The same on the heap, of a size that may grow. Growing loses the contents.
template <typename T>
class Buffer {
 public:
  Buffer() = default;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { std::free(data_); }

  T* reserve(size_t count) {
    if (count > count_) {
      std::free(data_);
      data_ = nullptr;
      count_ = 0;
      if (count > std::numeric_limits<int64_t>::max() / sizeof(T)) throw std::bad_alloc();
      data_ = static_cast<T*>(Heap().allocate(count * sizeof(T)));
      count_ = count;
    }
    return data_;
  }
  T* data() { return data_; }
  const T* data() const { return data_; }

 private:
  T* data_ = nullptr;
  size_t count_ = 0;
};

}  // namespace zaponnx
