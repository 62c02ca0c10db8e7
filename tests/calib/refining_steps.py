"""A program that refines predictors on the first of its data: refining_steps.py MODEL DATA CALIBRATION OUTPUT."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import torch

from zaponnx.artifact_files import load_calibration
from zaponnx.calib.data import Batch
from zaponnx.calib.devices import CPU
from zaponnx.calib.distributed import process_group
from zaponnx.calib.learning import agreed_network
from zaponnx.calib.refining import STEP_SAMPLES, Refiner

model, data, calibration_file, output = map(Path, sys.argv[1:])
group = process_group()
calibration = load_calibration(calibration_file)
with np.load(data) as found:
    samples = Batch({"input": found["input"][:STEP_SAMPLES]}, None)
network = agreed_network(onnx.load_model(model), calibration, samples, model, CPU, group)
refiner = Refiner(network, calibration, [samples], 3, 0, group)
while not refiner.done:
    for start, end in ((0, 31), (31, 32)):  # of the last one only the first process has a part
        mine = np.arange(start, end)[group.rank :: group.size]
        refiner.add(samples.take(mine) if len(mine) else None, end - start)
if group.rank == 0:
    weights = {
        f"{index}.{name}": array
        for index, each in enumerate(refiner.predictors())
        for name, array in vars(each).items()
    }
    np.savez(output, **weights)
group.sum(torch.zeros(1))  # none ends while another one is at work
