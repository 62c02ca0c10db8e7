"""Reads a converted model and an input, prints the class of the highest score and the time of a run.

python classify.py MODEL INPUT

MODEL is what `zaponnx convert` wrote, INPUT the values of its input as raw float32, as numpy's `tofile` writes them.
"""

import sys
import time
from statistics import median

import numpy as np

import zaponnx

RUNS = 20

model, data = sys.argv[1:]
session = zaponnx.InferenceSession(model, providers=["cpu"])
(node,) = session.get_inputs()
batch, *dims = node.shape
image = np.fromfile(data, np.float32).reshape(1, *dims)

times = []
for _ in range(1 + RUNS):  # the first run is not timed
    start = time.perf_counter()
    scores = session.run(None, {node.name: image})[0]
    times.append((time.perf_counter() - start) * 1e3)

best = int(scores.argmax())
print(f"class {best}, score {scores.flat[best]:.6g}")
print(f"{median(times[1:]):.3f} ms a run")
