"""Reads a converted model and an input, prints the class of the highest score and the time of a run.

python classify.py MODEL INPUT

MODEL is what `zaponnx convert` wrote, INPUT the values of its input as raw float32, as numpy's `tofile` writes them.
"""

import sys
import time
from statistics import median

import numpy as np

import zaponnx
from zaponnx.errors import ZapError

RUNS = 20


def classify(model, data):
    session = zaponnx.InferenceSession(model, providers=["cpu"])
    (node,) = session.get_inputs()
    shape = [1, *node.shape[1:]]
    if not all(isinstance(dim, int) for dim in shape):
        sys.exit(f"{model}: the shape of input '{node.name}' is not fixed: {node.shape}")
    image = np.fromfile(data, np.float32)
    if image.size != np.prod(shape):
        sys.exit(f"{data} does not hold {np.prod(shape)} float32 values")

    times = []
    for _ in range(1 + RUNS):  # the first run is not timed
        start = time.perf_counter()
        scores = session.run(None, {node.name: image.reshape(shape)})[0]
        times.append((time.perf_counter() - start) * 1e3)

    best = int(scores.argmax())
    print(f"class {best}, score {scores.flat[best]:.6g}")
    print(f"{median(times[1:]):.3f} ms a run")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        print("usage: classify.py MODEL INPUT", file=sys.stderr)
        sys.exit(2)
    try:
        classify(*sys.argv[1:])
    except (ZapError, OSError) as error:
        sys.exit(str(error))
