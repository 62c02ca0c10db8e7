// Weights that a session maps from a file: their memory once they have been read.
#pragma once

#include <cstddef>

namespace zaponnx {

// Gives back the memory of the whole pages in [data, data + bytes) that hold what is in a file and nothing else;
// whoever reads them again has them from the file, which the system may still keep. Other memory is left as it is. Does
// nothing where the system cannot tell the two apart: it can on Linux.
void release_file_pages(const void* data, size_t bytes);

}  // namespace zaponnx
