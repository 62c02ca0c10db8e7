// A test program is a list of TEST functions; it runs them all, prints what failed, and ends with a count.
#pragma once

#include <cstdio>
#include <exception>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

namespace zaponnx::testing {

struct Test {
  const char* name;
  void (*body)();
};

inline std::vector<Test>& tests() {
  static std::vector<Test> all;
  return all;
}

struct Registration {
  Registration(const char* name, void (*body)()) { tests().push_back({name, body}); }
};

inline int& failures() {
  static int count = 0;
  return count;
}

// Prints at most a few failures of a test: one wrong kernel makes thousands.
inline void fail(const char* file, int line, const std::string& what) {
  if (++failures() <= 20) std::printf("%s:%d: %s\n", file, line, what.c_str());
}

template <typename... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

// The message of the std::exception that the body throws, "" if it throws none.
inline std::string error_of(const std::function<void()>& body) {
  try {
    body();
    return "";
  } catch (const std::exception& error) {
    return error.what();
  }
}

}  // namespace zaponnx::testing

#define TEST(name)                                                              \
  static void name();                                                           \
  static const ::zaponnx::testing::Registration name##_registered(#name, name); \
  static void name()

#define CHECK(condition, ...)                                                                                \
  do {                                                                                                       \
    if (!(condition)) {                                                                                      \
      ::zaponnx::testing::fail(__FILE__, __LINE__, ::zaponnx::testing::text(#condition " ", ##__VA_ARGS__)); \
    }                                                                                                        \
  } while (false)
