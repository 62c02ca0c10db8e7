#include "core/file_pages.h"

#if defined(__linux__)

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>

namespace zaponnx {
namespace {

// /proc/self/pagemap, which has an entry for each virtual page.
class PageMap {
 public:
  static constexpr size_t kMost = 512;

  PageMap() : file_(open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC)) {}
  PageMap(const PageMap&) = delete;
  PageMap& operator=(const PageMap&) = delete;
  ~PageMap() {
    if (file_ >= 0) close(file_);
  }

  // Reads the entries of pages from `page` on, kMost at most; how many were read.
  size_t read(size_t page, size_t pages) {
    const ssize_t bytes =
        pread(file_, entries_, std::min(kMost, pages) * sizeof(uint64_t), static_cast<off_t>(page * sizeof(uint64_t)));
    return bytes < 0 ? 0 : static_cast<size_t>(bytes) / sizeof(uint64_t);
  }

  // Whether a page that was read is in memory and a file's, so that nothing is lost with it: one of a private mapping
  // that has been written to is not.
  bool of_file(size_t index) const { return (entries_[index] & kFile) != 0 && (entries_[index] & kPresent) != 0; }

  // An emulated processor's addresses are not those of the process, and all entries are another page's.
  bool right(size_t page_bytes) {
    uint64_t on_stack = kPresent;
    const auto stack = reinterpret_cast<uintptr_t>(&on_stack) / page_bytes;
    const auto code = reinterpret_cast<uintptr_t>(&release_file_pages) / page_bytes;
    return read(stack, 1) == 1 && (entries_[0] & (kPresent | kFile)) == kPresent && read(code, 1) == 1 && of_file(0);
  }

 private:
  static constexpr uint64_t kFile = uint64_t{1} << 61;  // a file's, or shared memory
  static constexpr uint64_t kPresent = uint64_t{1} << 63;

  int file_;
  uint64_t entries_[kMost];
};

}  // namespace

void release_file_pages(const void* data, size_t bytes) {
  const auto page_bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const auto address = reinterpret_cast<uintptr_t>(data);
  size_t page = (address + page_bytes - 1) / page_bytes;
  const size_t end = (address + bytes) / page_bytes;
  PageMap map;
  if (page >= end || !map.right(page_bytes)) return;
  while (page < end) {
    const size_t count = map.read(page, end - page);
    if (count == 0) return;
    for (size_t i = 0, next; i < count; i = next) {
      for (next = i + 1; next < count && map.of_file(next) == map.of_file(i);) ++next;
      if (!map.of_file(i)) continue;
      madvise(reinterpret_cast<void*>((page + i) * page_bytes), (next - i) * page_bytes, MADV_DONTNEED);
    }
    page += count;
  }
}

}  // namespace zaponnx

#else

namespace zaponnx {

void release_file_pages(const void*, size_t) {}

}  // namespace zaponnx

#endif
