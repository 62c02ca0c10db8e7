#include "ort/cuda_library.h"

#include <dlfcn.h>

#include <exception>
#include <stdexcept>
#include <string>

namespace zaponnx {
namespace {

constexpr const char* kFile = "libzaponnx_cuda.so";
constexpr const char* kRemedy = "Install zaponnx anew.";

// In the directory of this library.
std::string path_of_library() {
  Dl_info info;
  if (dladdr(reinterpret_cast<const void*>(&cuda_library), &info) == 0 || info.dli_fname == nullptr) return kFile;
  const std::string here = info.dli_fname;
  const size_t slash = here.rfind('/');
  return (slash == std::string::npos ? "" : here.substr(0, slash + 1)) + kFile;
}

[[noreturn]] void fail(const std::string& path, const std::string& what) {
  throw std::runtime_error("the CUDA half, " + path + ", " + what + ". " + kRemedy);
}

CudaLibrary load() {
  const std::string path = path_of_library();
  // Never closed: layers refer to its code until the process ends.
  void* const handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) fail(path, std::string("does not load: ") + dlerror());
  auto find = [&](auto& function, const char* name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(handle, name));
    if (function == nullptr) fail(path, std::string("has no ") + name);
  };
  decltype(&zaponnx_cuda_interface) interface = nullptr;
  find(interface, "zaponnx_cuda_interface");
  if (interface() != ZAPONNX_CUDA_INTERFACE) {
    fail(path, "has version " + std::to_string(interface()) + " of the interface, not " +
                   std::to_string(ZAPONNX_CUDA_INTERFACE));
  }
  CudaLibrary library{};
  find(library.error, "zaponnx_cuda_error");
  find(library.device, "zaponnx_cuda_device");
  find(library.layer_create, "zaponnx_cuda_layer_create");
  find(library.layer_destroy, "zaponnx_cuda_layer_destroy");
  find(library.workspace_size, "zaponnx_cuda_workspace_size");
  find(library.run, "zaponnx_cuda_run");
  return library;
}

}  // namespace

const CudaLibrary& cuda_library() {
  static const CudaLibrary library = load();
  return library;
}

bool cuda_library_is_usable() {
  try {
    return cuda_library().device(nullptr, 0) == ZAPONNX_CUDA_OK;
  } catch (const std::exception&) {  // cuda_half.py says what it is
    return false;
  }
}

}  // namespace zaponnx
