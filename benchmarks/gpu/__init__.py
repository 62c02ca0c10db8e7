"""`python -m benchmarks.gpu`: ZapConv on an NVIDIA GPU, beside cuDNN; needs torch, numpy and libzaponnx_cuda.so alone.

shapes    networks → their convolutions
problems  a convolution and an operating point → activations, weights, and a threshold that saves what it is to save
library   libzaponnx_cuda.so's C interface → layers that run on torch's tensors
peers     a problem → contenders: cuDNN, as torch has it, and ZapConv
timing    contenders → times by the GPU's clock, taken in turn; the GPU's ceilings
measuring all of these → the measurements of a network
sessions  models that were prepared elsewhere → times in ONNX Runtime, where that is installed
report    all of it → results/gpu-DEVICE.json and .md
"""
