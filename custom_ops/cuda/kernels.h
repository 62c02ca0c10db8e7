// The kernels as the host launches them. Each launch is a function of its arguments alone and returns the launch's
// error.
#pragma once

#include "cuda/arguments.h"
#include "cuda/cuda.h"

namespace zaponnx::cuda {

// tiles.cu. `blocks_at_once` is how many a multiprocessor holds.
cudaError_t load_tiles_kernel(Products products, int tile_pixels, int* blocks_at_once);
cudaError_t launch_tiles(Products products, int tile_pixels, int64_t blocks, const Convolution& conv,
                         const PixelLists& lists, const Slices& slices, cudaStream_t stream);

// listing.cu: writes the list of the pattern's pixels and its length, and zeroes counters.
cudaError_t load_list_kernel();
cudaError_t launch_list(int batch, int out_height, int out_width, const PatternTable& pattern, int* pixels, int* count,
                        int* counters, int counter_count, cudaStream_t stream);

// staging.cu: X to the operand's layout and type.
struct Staging {
  Activation x;
  int64_t pixels;  // of an image
  int batch, group, group_channels, padded_channels;
  int to_half;
  void* operand;
};
cudaError_t load_staging_kernel();
cudaError_t launch_staging(const Staging& staging, cudaStream_t stream);

// predicting.cu: from Y at the pattern, what else is to be computed; writes zeros for what is not.
cudaError_t load_prediction_kernel(int half);
cudaError_t launch_prediction(const Convolution& conv, const PatternTable& pattern, const Predictor& predictor,
                              const RemainingWork& work, cudaStream_t stream);

// elements.cu: the entries from the lists' backs, one output at a time. The operand is float16 where `half`.
cudaError_t load_elements_kernel(int half);
cudaError_t launch_elements(int half, int64_t blocks, const Convolution& conv, const RemainingWork& work,
                            cudaStream_t stream);

// reference.cu: the whole layer, a thread per output, with 64-bit extents.
struct Reference {
  int64_t batch, in_channels, in_height, in_width, out_channels, out_height, out_width;
  int64_t kernel_height, kernel_width, group_in_channels, group_out_channels;
  int64_t stride_rows, stride_columns, pad_top, pad_left, dilation_rows, dilation_columns;
  const float* weights;  // as in the node
  const float* bias;
  Predictor predictor;
  PatternTable pattern;
  Activation x, z, y;
  float bound;
};
cudaError_t load_reference_kernels();
cudaError_t launch_reference(const Reference& layer, cudaStream_t stream);

}  // namespace zaponnx::cuda
