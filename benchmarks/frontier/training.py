"""Trains torchvision's ResNet-18 on the shapes, on a CPU, in minutes; no image is seen twice.

What is done is kept every few steps, and a run that was interrupted goes on from there.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.frontier.shapes import BLOCK, SHAPES, SIZE, SPLITS, shape_images
from zaponnx.calib.torchvision_compat import torchvision_models
from zaponnx.files import atomic_path
from zaponnx.progress import Progress, silent

INPUT_SHAPE = (1, 3, SIZE, SIZE)

_BLOCKS = 2  # per step
_BATCH_SIZE = _BLOCKS * BLOCK
_STEPS = SPLITS["train"] // _BATCH_SIZE
_KEPT_EVERY = 50
_LEARNING_RATE = 0.05
_SEED = 1


def shapes_network() -> nn.Module:
    """ResNet-18 for images (N, 3, 64, 64), with seeded random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        network: nn.Module = torchvision_models().resnet18(num_classes=len(SHAPES))
    return network


def train_shapes_network(checkpoint: Path, progress: Progress = silent) -> nn.Module:
    """The trained network, in inference mode.

    Args:
        checkpoint: What an earlier call has done so far, and where to write that; belongs to this code alone.
        progress: Told about every step.
    """
    network = shapes_network().train()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch's stubs lack it
    optimizer = torch.optim.SGD(network.parameters(), lr=_LEARNING_RATE, momentum=0.9, nesterov=True, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _LEARNING_RATE, total_steps=_STEPS)
    parts: dict[str, Any] = {"network": network, "optimizer": optimizer, "schedule": schedule}
    done = 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        done = state["steps"]
        for name, part in parts.items():
            part.load_state_dict(state[name])
    for step, (images, labels) in enumerate(_batches(done), done):
        with torch.autocast("cpu", torch.bfloat16):
            scores = network(images.to(memory_format=torch.channels_last))
        optimizer.zero_grad()
        torch.autograd.backward(nn.functional.cross_entropy(scores.float(), labels))
        optimizer.step()
        schedule.step()
        if (step + 1) % _KEPT_EVERY == 0 or step + 1 == _STEPS:
            state = {name: part.state_dict() for name, part in parts.items()}
            with atomic_path(checkpoint, "training") as temporary:
                torch.save({"steps": step + 1, **state}, temporary)
        progress("training ResNet-18 on shapes", step + 1, _STEPS)
    return network.eval()


def _batches(done: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The train split, all but the batches that are done."""
    drawn = shape_images("train", first=done * _BATCH_SIZE)
    while blocks := list(itertools.islice(drawn, _BLOCKS)):
        images, labels = zip(*blocks, strict=True)
        yield torch.from_numpy(np.concatenate(images)), torch.from_numpy(np.concatenate(labels))
