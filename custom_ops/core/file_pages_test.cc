// Pages of files are given back, and nothing that is not in a file is lost.
#include "core/file_pages.h"

#include <cstdio>
#include <vector>

#include "testing/check.h"

#if defined(__linux__)

#include <sys/mman.h>
#include <unistd.h>

namespace zaponnx::testing {
namespace {

constexpr size_t kPages = 1100;  // more than are looked at in one go

// A private mapping of a file of kPages pages, each byte its page's number.
class Mapping {
 public:
  Mapping() : page_bytes_(static_cast<size_t>(sysconf(_SC_PAGESIZE))), file_(std::tmpfile()) {
    for (size_t page = 0; page < kPages; ++page) {
      const std::vector<char> content(page_bytes_, static_cast<char>(page));
      CHECK(std::fwrite(content.data(), 1, page_bytes_, file_) == page_bytes_);
    }
    std::fflush(file_);
    data_ =
        static_cast<char*>(mmap(nullptr, kPages * page_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE, fileno(file_), 0));
    CHECK(data_ != MAP_FAILED);
    for (size_t page = 0; page < kPages; ++page) sum_ += data_[page * page_bytes_];  // reads it in
  }
  ~Mapping() {
    munmap(data_, kPages * page_bytes_);
    std::fclose(file_);
  }

  char* page(size_t index) const { return data_ + index * page_bytes_; }
  size_t page_bytes() const { return page_bytes_; }

  // Whether this process has the page in memory, by its entry in the page map.
  bool present(size_t index) const {
    std::FILE* pagemap = std::fopen("/proc/self/pagemap", "rb");
    uint64_t entry = 0;
    std::fseek(pagemap, static_cast<long>(reinterpret_cast<uintptr_t>(page(index)) / page_bytes_ * sizeof(entry)),
               SEEK_SET);
    CHECK(std::fread(&entry, sizeof(entry), 1, pagemap) == 1);
    std::fclose(pagemap);
    return entry >> 63 != 0;
  }

 private:
  size_t page_bytes_;
  std::FILE* file_;
  char* data_;
  volatile int sum_ = 0;
};

TEST(whole_pages_of_a_file_are_released_and_read_again) {
  const Mapping mapping;
  const bool seen = mapping.present(1);  // false in an emulator, whose page map is not of the addresses seen here
  release_file_pages(mapping.page(0) + 1, kPages * mapping.page_bytes() - 2);
  CHECK(mapping.present(0) == seen && mapping.present(kPages - 1) == seen, "the first and last are not whole");
  for (size_t i = 1; i < kPages - 1; ++i) CHECK(!mapping.present(i), "page ", i);
  for (size_t i = 0; i < kPages; ++i) CHECK(*mapping.page(i) == static_cast<char>(i), "page ", i);
}

TEST(what_was_written_to_a_private_mapping_stays) {
  const Mapping mapping;
  const bool seen = mapping.present(7);
  mapping.page(7)[3] = 'x';
  release_file_pages(mapping.page(0), kPages * mapping.page_bytes());
  CHECK(!mapping.present(6) && mapping.present(7) == seen && !mapping.present(8));
  CHECK(mapping.page(7)[3] == 'x' && mapping.page(7)[4] == 7);
}

TEST(memory_of_the_heap_stays) {
  const std::vector<int> values(1 << 20, 5);
  release_file_pages(values.data(), values.size() * sizeof(int));
  for (int value : values) CHECK(value == 5);
}

TEST(less_than_a_page_is_nothing) {
  const Mapping mapping;
  const bool seen = mapping.present(1);
  release_file_pages(mapping.page(1), mapping.page_bytes() - 1);
  release_file_pages(mapping.page(1) + 1, 0);
  release_file_pages(nullptr, 0);
  CHECK(mapping.present(1) == seen);
}

}  // namespace
}  // namespace zaponnx::testing

#endif
