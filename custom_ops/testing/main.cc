#include <algorithm>
#include <cstring>

#include "testing/check.h"

// Runs all tests, or those whose names have one of the arguments in them.
int main(int argc, char** argv) {
  using namespace zaponnx::testing;
  const char* const* const first = argv + 1;
  int run = 0;
  int failed = 0;
  for (const Test& test : tests()) {
    const auto named = [&](const char* part) { return std::strstr(test.name, part) != nullptr; };
    if (argc > 1 && !std::any_of(first, first + argc - 1, named)) continue;
    ++run;
    const int before = failures();
    try {
      test.body();
    } catch (const std::exception& error) {
      fail(test.name, 0, text("unexpected exception: ", error.what()));
    }
    if (failures() != before) {
      ++failed;
      std::printf("FAILED %s (%d checks)\n", test.name, failures() - before);
    }
  }
  std::printf("%d passed, %d failed\n", run - failed, failed);
  return run == 0 || failed != 0;
}
