// What several kernels need: activations of either type, the activation function, and the walk along K.
#pragma once

#include "cuda/arguments.h"
#include "cuda/intrinsics.h"

namespace zaponnx::cuda {

// What the running kernel does not write. Where the type is known beforehand, no branch keeps loads from going out
// together.
template <bool kHalf>
__device__ __forceinline__ float load(const Activation& activation, int64_t index) {
  if (kHalf) return from_half(__ldg(static_cast<const uint16_t*>(activation.data) + index));
  return __ldg(static_cast<const float*>(activation.data) + index);
}

template <bool kHalf>
__device__ __forceinline__ void store(const Activation& activation, int64_t index, float value) {
  void* data = const_cast<void*>(activation.data);
  if (kHalf) {
    static_cast<uint16_t*>(data)[index] = to_half(value);
  } else {
    static_cast<float*>(data)[index] = value;
  }
}

__device__ __forceinline__ float load(const Activation& activation, int64_t index) {
  return activation.half ? load<true>(activation, index) : load<false>(activation, index);
}

__device__ __forceinline__ void store(const Activation& activation, int64_t index, float value) {
  activation.half ? store<true>(activation, index, value) : store<false>(activation, index, value);
}

// relu, where a NaN stays a NaN.
__device__ __forceinline__ float rectified(float value) { return value < 0.0f ? 0.0f : value; }

// min(relu(value), bound), likewise.
__device__ __forceinline__ float clipped(float value, float bound) {
  value = rectified(value);
  return value > bound ? bound : value;
}

// Where an output pixel's window begins in X, maybe outside; `offset` is that of the operand's element there, modulo
// 2^64.
struct Window {
  uint64_t offset;
  int row, column;
};

__device__ __forceinline__ Window window_of(const Convolution& conv, int pixel) {
  const int image_pixels = conv.out_height * conv.out_width;
  const int image = pixel / image_pixels;
  const int row = pixel % image_pixels / conv.out_width;
  const int column = pixel % conv.out_width;
  const int in_row = row * conv.stride_rows - conv.pad_top;
  const int in_column = column * conv.stride_columns - conv.pad_left;
  const int64_t position = (static_cast<int64_t>(image) * conv.in_height + in_row) * conv.in_width + in_column;
  return {static_cast<uint64_t>(position) * (conv.group * conv.padded_channels), in_row, in_column};
}

// A window of which nothing is inside.
__device__ __forceinline__ Window no_window() { return {0, -(1 << 30), 0}; }

// A position in K: the channel within its group and the kernel's tap, as offsets in X.
struct TapCursor {
  int channel, tap_column, row, column;

  __device__ __forceinline__ TapCursor(const Convolution& conv, int element) {
    const int tap = element / conv.padded_channels;
    channel = element % conv.padded_channels;
    tap_column = tap % conv.kernel_width;
    row = tap / conv.kernel_width * conv.dilation_rows;
    column = tap_column * conv.dilation_columns;
  }

  __device__ __forceinline__ void advance(const Convolution& conv, int elements) {
    channel += elements;
    while (channel >= conv.padded_channels) {
      channel -= conv.padded_channels;
      column += conv.dilation_columns;
      if (++tap_column == conv.kernel_width) {
        tap_column = column = 0;
        row += conv.dilation_rows;
      }
    }
  }

  // Whether it is a tap of the kernel, and within X for this window; what is beyond K is not.
  __device__ __forceinline__ bool inside(const Convolution& conv, const Window& window) const {
    return row <= (conv.kernel_height - 1) * conv.dilation_rows &&
           static_cast<unsigned>(window.row + row) < static_cast<unsigned>(conv.in_height) &&
           static_cast<unsigned>(window.column + column) < static_cast<unsigned>(conv.in_width);
  }

  // Of the operand's element, from the window's first of the group.
  __device__ __forceinline__ uint64_t offset(const Convolution& conv) const {
    const int64_t position = static_cast<int64_t>(row) * conv.in_width + column;
    return static_cast<uint64_t>(position) * (conv.group * conv.padded_channels) + channel;
  }
};

}  // namespace zaponnx::cuda
