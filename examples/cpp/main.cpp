// Reads a converted model and an input, prints the class of the highest score and the time of a run.
//
//     classify LIBRARY MODEL INPUT
//
// LIBRARY is zaponnx's (`python -c 'import zaponnx; print(zaponnx.library_path())'`), MODEL is what `zaponnx convert`
// wrote, INPUT the values of its input as raw float32, as numpy's `tofile` writes them.
#include <onnxruntime_cxx_api.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <fstream>
#include <functional>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

constexpr int kRuns = 20;

std::vector<float> read(const std::string& path, size_t count) {
  std::vector<float> values(count);
  std::ifstream file(path, std::ios::binary);
  file.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(count * sizeof(float)));
  if (!file || file.peek() != EOF) {
    throw std::runtime_error(path + " does not hold " + std::to_string(count) + " float32 values");
  }
  return values;
}

void classify(const char* library, const char* model, const char* input) {
  Ort::Env env(ORT_LOGGING_LEVEL_WARNING, "classify");
  Ort::SessionOptions options;
  options.RegisterCustomOpsLibrary(library);  // all that zaponnx needs
  Ort::Session session(env, model, options);

  auto shape = session.GetInputTypeInfo(0).GetTensorTypeAndShapeInfo().GetShape();
  if (shape.at(0) < 0) shape[0] = 1;  // a dynamic batch
  if (*std::min_element(shape.begin(), shape.end()) < 1) throw std::runtime_error("the input has dynamic dims");
  const auto count = std::accumulate(shape.begin(), shape.end(), size_t{1}, std::multiplies<>());
  std::vector<float> values = read(input, count);
  const Ort::Value x = Ort::Value::CreateTensor<float>(Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault),
                                                       values.data(), values.size(), shape.data(), shape.size());

  Ort::AllocatorWithDefaultOptions allocator;
  const auto input_name = session.GetInputNameAllocated(0, allocator);
  const auto output_name = session.GetOutputNameAllocated(0, allocator);
  const char* const inputs[] = {input_name.get()};
  const char* const outputs[] = {output_name.get()};
  std::vector<Ort::Value> results;
  std::vector<double> times;
  for (int i = 0; i < 1 + kRuns; ++i) {
    const auto start = std::chrono::steady_clock::now();
    results = session.Run(Ort::RunOptions(), inputs, &x, 1, outputs, 1);
    const std::chrono::duration<double, std::milli> time = std::chrono::steady_clock::now() - start;
    if (i > 0) times.push_back(time.count());  // the first run is not timed
  }

  const float* const scores = results[0].GetTensorData<float>();
  const size_t classes = results[0].GetTensorTypeAndShapeInfo().GetElementCount();
  const float* const best = std::max_element(scores, scores + classes);
  std::nth_element(times.begin(), times.begin() + kRuns / 2, times.end());
  std::printf("class %td, score %.6g\n%.3f ms a run\n", best - scores, *best, times[kRuns / 2]);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: classify LIBRARY MODEL INPUT\n");
    return 2;
  }
  try {
    classify(argv[1], argv[2], argv[3]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "classify: %s\n", error.what());
    return 1;
  }
  return 0;
}
