// zaponnx_kernel_benchmark: how close the two paths' loops and whole layers come to the machine's multiply-add peak.
//
// Writes a JSON object per line. With several threads first {"kind": "handover", ...}: how near the cores are to one
// another, see handover.h. {"kind": "peak", ...}: the peak of an instruction set. {"kind": "layer", ...}: GMAC/s
// on the multiply-accumulates that are really computed (with a density of 1, where the layer may use Winograd's, on
// those of the plain sums, so that the share may exceed 1), of the pattern path's loop, of the sparse path's loop over
// independent random masks of a density, or of the whole layer (packing, prediction and writing included), and their
// share of the peak, the median over interleaved rounds in each of which the peak is measured as well.
//
//   zaponnx_kernel_benchmark [--isa NAME] [--threads N] [--rounds N] [--shape SUBSTRING] [--path SUBSTRING]
//                            [--pattern B|D]
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "benchmark/handover.h"
#include "benchmark/path_loops.h"
#include "benchmark/peak.h"
#include "benchmark/team.h"
#include "benchmark/whole_layer.h"
#include "kernels/kernel.h"

namespace zaponnx {
namespace {

struct Shape {
  const char* name;
  int64_t in, out, size, kernel, stride, pad;
};

// The distinct predicted layers of the three networks at 224 x 224.
constexpr Shape kShapes[] = {
    {"resnet18 64 56x56", 64, 64, 56, 3, 1, 1},       {"resnet18 64-128 56x56/2", 64, 128, 56, 3, 2, 1},
    {"resnet18 128 28x28", 128, 128, 28, 3, 1, 1},    {"resnet18 128-256 28x28/2", 128, 256, 28, 3, 2, 1},
    {"resnet18 256 14x14", 256, 256, 14, 3, 1, 1},    {"resnet18 256-512 14x14/2", 256, 512, 14, 3, 2, 1},
    {"resnet18 512 7x7", 512, 512, 7, 3, 1, 1},       {"vgg16 64 224x224", 64, 64, 224, 3, 1, 1},
    {"vgg16 64-128 112x112", 64, 128, 112, 3, 1, 1},  {"vgg16 128 112x112", 128, 128, 112, 3, 1, 1},
    {"vgg16 128-256 56x56", 128, 256, 56, 3, 1, 1},   {"vgg16 256 56x56", 256, 256, 56, 3, 1, 1},
    {"vgg16 256-512 28x28", 256, 512, 28, 3, 1, 1},   {"vgg16 512 28x28", 512, 512, 28, 3, 1, 1},
    {"vgg16 512 14x14", 512, 512, 14, 3, 1, 1},       {"alexnet 64-192 5x5 27x27", 64, 192, 27, 5, 1, 2},
    {"alexnet 192-384 13x13", 192, 384, 13, 3, 1, 1}, {"alexnet 384-256 13x13", 384, 256, 13, 3, 1, 1},
    {"alexnet 256 13x13", 256, 256, 13, 3, 1, 1},
};

struct Options {
  std::string isa, shape, path;
  char pattern = 'B';
  int threads = 1;
  int rounds = 9;
};

double seconds(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// One figure: what is timed, and the multiply-accumulates of one run.
struct Figure {
  const char* path;
  double density;
  double macs;
  std::function<void()> run;
  std::vector<double> gmacs, share;
};

void measure(const Kernel& kernel, const Shape& shape, const Options& options, const Team& team) {
  const char* isa = kernel.name;
  const Layer layer(isa, shape.in, shape.out, shape.size, shape.kernel, shape.stride, shape.pad, options.pattern);
  const PathLoops loops(layer);
  std::vector<Figure> figures;
  figures.push_back({"pattern", 1, loops.pattern_macs(), [&] { loops.pattern(team); }, {}, {}});
  std::vector<std::unique_ptr<Masks>> masks;
  for (double density : {0.2, 0.3, 0.5, 0.7}) {
    masks.push_back(std::make_unique<Masks>(layer.kernels, loops, density));
    const Masks& mask = *masks.back();
    figures.push_back({"sparse", density, mask.macs(), [&] { loops.sparse(mask, team); }, {}, {}});
  }
  std::vector<std::unique_ptr<WholeLayer>> layers;
  for (Layout layout : {Layout::kNchw, Layout::kNhwc}) {
    for (double density : {0.3, 0.5, 1.0}) {
      layers.push_back(std::make_unique<WholeLayer>(layer, kernel, layout, density));
      const WholeLayer& whole = *layers.back();
      figures.push_back({layout == Layout::kNchw ? "layer" : "layer-nhwc",
                         density,
                         loops.pattern_macs() + whole.computed_outside_pattern() * loops.output_macs(),
                         [&] { whole.run(team); },
                         {},
                         {}});
    }
  }
  figures.erase(std::remove_if(figures.begin(), figures.end(),
                               [&](const Figure& f) { return std::strstr(f.path, options.path.c_str()) == nullptr; }),
                figures.end());
  for (int round = -1; round < options.rounds; ++round) {
    for (Figure& figure : figures) {
      const double peak = peak_gmacs(isa, team);
      // Enough runs for 5 ms, so that the clock and a single interruption weigh little.
      const int runs = std::max(1, static_cast<int>(5e-3 * 40e9 * team.threads() / figure.macs));
      const double time = seconds([&] {
        for (int i = 0; i < runs; ++i) figure.run();
      });
      if (round < 0) continue;  // warm-up
      figure.gmacs.push_back(figure.macs * runs / time * 1e-9);
      figure.share.push_back(figure.gmacs.back() / peak);
    }
  }
  for (const Figure& figure : figures) {
    std::printf(
        "{\"kind\": \"layer\", \"isa\": \"%s\", \"shape\": \"%s\", \"threads\": %zu, \"pattern\": \"%c\", "
        "\"density\": %.2f, \"path\": \"%s\", \"gmacs\": %.1f, \"share_of_peak\": %.3f}\n",
        isa, shape.name, team.threads(), options.pattern, figure.density, figure.path, median(figure.gmacs),
        median(figure.share));
    std::fflush(stdout);
  }
}

int benchmark(const Options& options) {
  if (options.threads > 1) {
    std::printf("{\"kind\": \"handover\", \"threads\": %d, \"ns\": %.0f}\n", options.threads, handover_ns());
  }
  const Team team(options.threads);
  for (const Kernel& kernel : kernel_list()) {
    if (!kernel.supported() || vector_kernels_of(kernel.name) == nullptr) continue;
    if (!options.isa.empty() && options.isa != kernel.name) continue;
    std::vector<double> peaks(20);
    for (double& peak : peaks) peak = peak_gmacs(kernel.name, team);
    std::printf("{\"kind\": \"peak\", \"isa\": \"%s\", \"threads\": %zu, \"gmacs\": %.1f}\n", kernel.name,
                team.threads(), median(peaks));
    for (const Shape& shape : kShapes) {
      if (std::strstr(shape.name, options.shape.c_str()) != nullptr) measure(kernel, shape, options, team);
    }
  }
  return 0;
}

}  // namespace
}  // namespace zaponnx

int main(int count, char** arguments) {
  zaponnx::Options options;
  for (int i = 1; i < count; i += 2) {
    const std::string name = arguments[i];
    const std::string value = i + 1 < count ? arguments[i + 1] : "";
    if (value.empty()) {
      std::fprintf(stderr, "%s: it needs a value\n", name.c_str());
      return 2;
    }
    if (name == "--isa") {
      options.isa = value;
    } else if (name == "--shape") {
      options.shape = value;
    } else if (name == "--path") {
      options.path = value;
    } else if (name == "--pattern" && (value == "B" || value == "D")) {
      options.pattern = value[0];
    } else if (name == "--threads" && std::atoi(value.c_str()) > 0) {
      options.threads = std::atoi(value.c_str());
    } else if (name == "--rounds" && std::atoi(value.c_str()) > 0) {
      options.rounds = std::atoi(value.c_str());
    } else {
      std::fprintf(stderr, "%s %s: unknown option or value; see the head of kernel_benchmark.cc\n", name.c_str(),
                   value.c_str());
      return 2;
    }
  }
  return zaponnx::benchmark(options);
}
