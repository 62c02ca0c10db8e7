/* The C interface of the CUDA half on the host, float32 in NHWC only: what the tests call in place of kernels. */
#include "zaponnx_cuda.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct zaponnx_cuda_layer {
  zaponnx_cuda_layer_description d;
  float *W, *B, *P1, *p1, *P2, *p2, threshold;
  uint8_t* pattern;
};

static const char* error = "";
static int skipped_elements, failing;

static void* copy(const void* from, size_t bytes) { return memcpy(malloc(bytes), from, bytes); }

int zaponnx_cuda_interface(void) { return ZAPONNX_CUDA_INTERFACE; }
const char* zaponnx_cuda_error(void) { return error; }
void stub_fail(int on) { failing = on; }

int zaponnx_cuda_device(char* text, size_t size) {
  strncpy(text, failing ? "there is no GPU; get one" : "Abacus, sm_0", size);
  return failing ? ZAPONNX_CUDA_NO_DEVICE : 0;
}

int zaponnx_cuda_layer_create(const zaponnx_cuda_layer_description* d, zaponnx_cuda_layer** layer) {
  if (d->layout != ZAPONNX_CUDA_NHWC || d->element != 0 || d->precision != 0 || d->group != 1 || d->bound < 1e30f ||
      d->dilations[0] != 1 || d->dilations[1] != 1 || d->threshold_count != 1 || d->method != 0) {
    error = "the layer is none that the stub knows";
    return ZAPONNX_CUDA_INVALID_ARGUMENT;
  }
  const int64_t *w = d->w_shape, m = w[0];
  zaponnx_cuda_layer* l = malloc(sizeof *l);
  l->d = *d;
  l->W = copy(d->W, sizeof(float) * m * w[1] * w[2] * w[3]);
  l->B = copy(d->B, sizeof(float) * m);
  l->P1 = copy(d->P1, sizeof(float) * m * 9);
  l->p1 = copy(d->p1, sizeof(float) * m);
  l->P2 = copy(d->P2, sizeof(float) * m * 9);
  l->p2 = copy(d->p2, sizeof(float) * m);
  l->pattern = copy(d->pattern, d->pattern_shape[0] * d->pattern_shape[1]);
  l->threshold = d->threshold[0];
  *layer = l;
  return 0;
}

void zaponnx_cuda_layer_destroy(zaponnx_cuda_layer* l) { free(l); }

int zaponnx_cuda_output_shape(const zaponnx_cuda_layer* l, const int64_t x[4], int64_t y[4]) {
  if (x[3] != l->d.w_shape[1]) {
    error = "X has other channels";
    return ZAPONNX_CUDA_INVALID_ARGUMENT;
  }
  y[0] = x[0];
  y[1] = (x[1] + l->d.pads[0] + l->d.pads[2] - l->d.w_shape[2]) / l->d.strides[0] + 1;
  y[2] = (x[2] + l->d.pads[1] + l->d.pads[3] - l->d.w_shape[3]) / l->d.strides[1] + 1;
  y[3] = l->d.w_shape[0];
  return 0;
}

int zaponnx_cuda_workspace_size(const zaponnx_cuda_layer* l, const int64_t x[4], size_t* bytes) {
  int64_t y[4];
  zaponnx_cuda_output_shape(l, x, y);
  *bytes = 3 * sizeof(float) * y[0] * y[1] * y[2] * y[3];
  return 0;
}

static int in_pattern(const zaponnx_cuda_layer* l, int64_t row, int64_t column) {
  const int64_t* s = l->d.pattern_shape;
  return l->pattern[row % s[0] * s[1] + column % s[1]];
}

static void depthwise(const int64_t y[4], const float* from, const float* P, const float* p, int relu, float* to) {
  for (int64_t i = 0; i < y[0] * y[1] * y[2] * y[3]; ++i) {
    const int64_t m = i % y[3], column = i / y[3] % y[2], row = i / y[3] / y[2] % y[1], n = i / y[3] / y[2] / y[1];
    float sum = p[m];
    for (int64_t a = -1; a < 2; ++a)
      for (int64_t b = -1; b < 2; ++b)
        if (row + a >= 0 && row + a < y[1] && column + b >= 0 && column + b < y[2])
          sum += P[m * 9 + (a + 1) * 3 + b + 1] * from[((n * y[1] + row + a) * y[2] + column + b) * y[3] + m];
    to[i] = relu && sum < 0 ? 0 : sum;
  }
}

int zaponnx_cuda_run(const zaponnx_cuda_layer* l, const int64_t x[4], const void* X, const void* Z, void* Y,
                     void* workspace, size_t bytes, void* stream) {
  int64_t y[4];
  if (zaponnx_cuda_output_shape(l, x, y)) return ZAPONNX_CUDA_INVALID_ARGUMENT;
  const int64_t count = y[0] * y[1] * y[2] * y[3], *w = l->d.w_shape;
  float *S = workspace, *hidden = S + count, *V = hidden + count, *out = Y;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t m = i % y[3], column = i / y[3] % y[2], row = i / y[3] / y[2] % y[1], n = i / y[3] / y[2] / y[1];
    float sum = l->B[m];
    for (int64_t c = 0; c < w[1]; ++c)
      for (int64_t a = 0; a < w[2]; ++a)
        for (int64_t b = 0; b < w[3]; ++b) {
          const int64_t r = row * l->d.strides[0] - l->d.pads[0] + a, k = column * l->d.strides[1] - l->d.pads[1] + b;
          if (r >= 0 && r < x[1] && k >= 0 && k < x[2])
            sum += l->W[((m * w[1] + c) * w[2] + a) * w[3] + b] * ((const float*)X)[((n * x[1] + r) * x[2] + k) * w[1] + c];
        }
    if (Z) sum += ((const float*)Z)[i];
    out[i] = sum < 0 ? 0 : sum;
    S[i] = in_pattern(l, row, column) ? out[i] : 0;
  }
  depthwise(y, S, l->P1, l->p1, 1, hidden);
  depthwise(y, hidden, l->P2, l->p2, 0, V);
  skipped_elements = 0;
  for (int64_t i = 0; i < count; ++i)
    if (!in_pattern(l, i / y[3] / y[2] % y[1], i / y[3] % y[2]) && V[i] <= l->threshold) {
      out[i] = 0;
      ++skipped_elements;
    }
  return bytes < 3 * sizeof(float) * count || stream != NULL;
}

int zaponnx_cuda_read_work(const zaponnx_cuda_layer* l, const int64_t x[4], const void* workspace, void* stream,
                           zaponnx_cuda_work* work) {
  *work = (zaponnx_cuda_work){.pattern = 1, .tiles = 3, .elements = skipped_elements, .outside = 12};
  return workspace == NULL;
}
