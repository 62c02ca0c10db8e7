/* The C interface of libzaponnx_cuda.so, the operator's CUDA half: libzaponnx_ops.so loads it, where ONNX Runtime has
 * the CUDA provider; tests and benchmarks load it by themselves.
 *
 *     R = min(relu(Conv(X, W, B) [+ Z]), bound)
 *     S = R where pattern, else 0                          pattern tiled from (0, 0) over oH x oW
 *     V = dwconv3x3(relu(dwconv3x3(S, P1, p1)), P2, p2)    zero padding 1
 *     compute = pattern or not (V <= threshold)            a NaN is computed, never hidden
 *     Y = R where compute, else 0
 *
 * A layer is made once from weights in host memory and then run on activations in device memory, on the caller's
 * stream, with the caller's workspace. A run launches kernels and does nothing else: it allocates nothing, waits for
 * nothing and reads nothing back, so it may be captured in a CUDA graph. A layer is immutable and belongs to the device
 * that was current when it was made, which must be current in all later calls with it; any number of threads and
 * streams may run it at the same time, each with a workspace of its own. Results are the same bits in every run on one
 * device.
 *
 * The library carries its own CUDA runtime and loads on machines without a driver, where zaponnx_cuda_device says so.
 */
#ifndef ZAPONNX_CUDA_H
#define ZAPONNX_CUDA_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* Changes with every change to what follows. Ask zaponnx_cuda_interface() first, and go no further if it differs. */
#define ZAPONNX_CUDA_INTERFACE 2

/* What the functions that return an int return, but for zaponnx_cuda_interface. */
enum {
  ZAPONNX_CUDA_OK = 0,
  ZAPONNX_CUDA_INVALID_ARGUMENT = 1, /* the caller's fault; the text says what it is and what it must be */
  ZAPONNX_CUDA_NO_DEVICE = 2,        /* there is no driver, none new enough, or no GPU that the kernels run on */
  ZAPONNX_CUDA_OUT_OF_MEMORY = 3,
  ZAPONNX_CUDA_FAILURE = 4 /* CUDA reports an error, maybe of an earlier call */
};

/* Order of the axes of X, Z and Y. */
enum { ZAPONNX_CUDA_NCHW = 0, ZAPONNX_CUDA_NHWC = 1 };

/* Type of the elements of X, Z and Y. */
enum { ZAPONNX_CUDA_ELEMENT_FLOAT32 = 0, ZAPONNX_CUDA_ELEMENT_FLOAT16 = 1 };

/* How products are formed; sums are float32 in all. Float16 elements ask for FLOAT16. */
enum {
  ZAPONNX_CUDA_PRECISION_FLOAT32 =
      0, /* by the FP32 units, or, where tensor cores are much faster (compute capabilities 8.0, 9.0, 10.0), by these:
            factors as sums of two TF32, products right to about 2^-21, each output that is not finite done again */
  ZAPONNX_CUDA_PRECISION_TF32 =
      1, /* tensor cores; factors are rounded to TF32; float32 where the GPU has none (sm_75) */
  ZAPONNX_CUDA_PRECISION_FLOAT16 = 2 /* tensor cores; factors are rounded to float16, beyond 65504 to infinity */
};

/* Which kernels run. All give the same up to rounding. */
enum {
  ZAPONNX_CUDA_METHOD_AUTO = 0,      /* TILES where the layer suits it, else REFERENCE */
  ZAPONNX_CUDA_METHOD_REFERENCE = 1, /* a thread per output: any layer, float32 products, no workspace */
  ZAPONNX_CUDA_METHOD_TILES = 2      /* implicit GEMM; an error where the layer's extents are beyond it */
};

/* A pixel's output channels are taken in blocks of so many within each group (the last of a group may have fewer). What
 * the predictor asks for is counted in these blocks: see element_channels. */
#define ZAPONNX_CUDA_CHANNEL_BLOCK 64

/* The default of element_channels. */
#define ZAPONNX_CUDA_ELEMENT_CHANNELS_DEFAULT (-1)

/* A ZapConv node. All pointers are to host memory, float32, contiguous, and are read by zaponnx_cuda_layer_create only.
 */
typedef struct {
  int64_t w_shape[4]; /* M, C/group, kH, kW */
  int64_t group;
  int64_t strides[2];
  int64_t dilations[2];
  int64_t pads[4]; /* top, left, bottom, right */
  int64_t pattern_shape[2];
  const uint8_t* pattern; /* pattern_shape[0] x pattern_shape[1] of 0 and 1 */
  int64_t threshold_count;
  const float* threshold; /* 1 or M values; may be infinite */
  const float* W;         /* w_shape, finite */
  const float* B;         /* M */
  const float* P1;        /* M x 1 x 3 x 3 */
  const float* p1;        /* M */
  const float* P2;        /* M x 1 x 3 x 3 */
  const float* p2;        /* M */
  float bound;            /* infinite for ReLU, 6 for ReLU6 */
  int32_t layout;         /* ZAPONNX_CUDA_NCHW or ..._NHWC */
  int32_t element;        /* ZAPONNX_CUDA_ELEMENT_... */
  int32_t precision;      /* ZAPONNX_CUDA_PRECISION_... */
  int32_t method;         /* ZAPONNX_CUDA_METHOD_... */
  /* Outside the pattern, a pixel with outputs to compute in at most so many channels of a block is computed element by
   * element, one with more by tiles, with all channels of the block: 0 takes every pixel by tiles, 64 none.
   * ZAPONNX_CUDA_ELEMENT_CHANNELS_DEFAULT leaves it to the library. */
  int32_t element_channels;
} zaponnx_cuda_layer_description;

typedef struct zaponnx_cuda_layer zaponnx_cuda_layer;

/* What a run did, in pixels x channel blocks; zero for REFERENCE, which has no blocks. */
typedef struct {
  int64_t pattern;  /* computed for the pattern */
  int64_t tiles;    /* outside the pattern, computed with all channels of the block */
  int64_t elements; /* outside the pattern, computed element by element */
  int64_t outside;  /* all outside the pattern, computed or not */
} zaponnx_cuda_work;

/* ZAPONNX_CUDA_INTERFACE of the library. */
int zaponnx_cuda_interface(void);

/* What went wrong in this thread's last call that returned an error: a sentence, with a remedy where there is one.
 * Valid until the thread's next call. */
const char* zaponnx_cuda_error(void);

/* Whether the driver is new enough and there is a GPU that can run the kernels. Writes the first one's name and
 * architecture, as in "NVIDIA H200, sm_90", to `text` (cut to `size` bytes, zero-terminated); on an error the text is
 * that of zaponnx_cuda_error. Starts the driver, but uses no device. */
int zaponnx_cuda_device(char* text, size_t size);

/* Makes a layer on the current device: checks, packs and uploads the weights. Waits for the upload. */
int zaponnx_cuda_layer_create(const zaponnx_cuda_layer_description* description, zaponnx_cuda_layer** layer);

/* Frees the layer's device memory, which waits for the device's work. NULL is allowed. */
void zaponnx_cuda_layer_destroy(zaponnx_cuda_layer* layer);

/* The shape of Y and Z for an X; both in the layer's layout. */
int zaponnx_cuda_output_shape(const zaponnx_cuda_layer* layer, const int64_t x_shape[4], int64_t y_shape[4]);

/* The bytes of workspace that a run on an X of this shape needs; may be 0. */
int zaponnx_cuda_workspace_size(const zaponnx_cuda_layer* layer, const int64_t x_shape[4], size_t* bytes);

/* Computes Y. `x`, `z` and `y` are contiguous device arrays that do not overlap, aligned to their elements; `z` is NULL
 * in a layer without residual. `x` is aligned to 16 bytes where the kernels read it in place: in NHWC, with TILES, if
 * its elements are of the products' type and a group's channels fill whole vectors of 16 bytes. `workspace` is device
 * memory of at least the bytes above, aligned to 16 bytes; it need not be initialised, and the next run on the stream
 * may use it again. `stream` is a cudaStream_t; NULL is the default stream. */
int zaponnx_cuda_run(const zaponnx_cuda_layer* layer, const int64_t x_shape[4], const void* x, const void* z, void* y,
                     void* workspace, size_t workspace_bytes, void* stream);

/* What the last run did that used this workspace, with an X of this shape; for tests and benchmarks. Waits for the
 * stream. */
int zaponnx_cuda_read_work(const zaponnx_cuda_layer* layer, const int64_t x_shape[4], const void* workspace,
                           void* stream, zaponnx_cuda_work* work);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
