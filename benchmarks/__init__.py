"""`make bench`: how fast converted networks are, beside the dense ones and other runtimes; in the order of the flow:

points                      operating_points.json → what each network is to save, and how fast that is to make it
settings, images, networks  how networks are made ready, the inputs, and the seeded networks
preparing, cutting          network → model.onnx, also without its classifier, and converted at each point
tuning                      these → the same, tuned
layers                      these → models of single layers
peers                       model.onnx → contenders, one per runtime
timing, measuring           contenders → times, taken in turn
memory, kernels             models → what sessions take; the native micro-benchmark
environment, report         all of it → results/NAME.json and NAME.md

`python -m benchmarks.conversion`: what converting large models takes:

large                       a model that no protobuf file holds
conversion_cost             model and artifacts → time and peak memory
conversion                  these and a network → results/conversion-NAME.json and .md

`python -m benchmarks.gpu`: ZapConv on an NVIDIA GPU beside cuDNN, see there.
"""
