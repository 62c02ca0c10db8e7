#include "testing/check.h"

int main() {
  using namespace zaponnx::testing;
  int failed = 0;
  for (const Test& test : tests()) {
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
  std::printf("%zu passed, %d failed\n", tests().size() - failed, failed);
  return tests().empty() || failed != 0;
}
