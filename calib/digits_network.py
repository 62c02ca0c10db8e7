"""The network of `export digits`: a residual CNN, trained on the digits' train split within about a minute.

It is larger than the digits need, on purpose: its eight predictable 3x3 convs have 32 to 128 channels, on maps of
32x32 to 8x8 pixels, like those of networks that are worth converting.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from zaponnx.calib.data.digits import digit_images, upsampled
from zaponnx.progress import Progress, silent

INPUT_SHAPE = (1, 3, 32, 32)

_EPOCHS = 8
_BATCH_SIZE = 64
_LEARNING_RATE = 0.1


class ResidualBlock(nn.Module):
    """relu(bn(conv(relu(bn(conv(x))))) + shortcut(x)), both convs 3x3, the first one with the stride."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU()
        self.shortcut: nn.Module = nn.Identity()
        if inputs != outputs or stride != 1:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H/stride, W/stride)."""
        inner = self.relu(self.bn1(self.conv1(x)))
        total: Tensor = self.relu(self.bn2(self.conv2(inner)) + self.shortcut(x))
        return total


class DigitsNetwork(nn.Module):
    """Images (N, 3, 32, 32) to logits (N, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 32, 3, 1, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU())
        self.block1 = ResidualBlock(32, 32, 1)
        self.block2 = ResidualBlock(32, 64, 2)
        self.block3 = ResidualBlock(64, 64, 1)
        self.block4 = ResidualBlock(64, 128, 2)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10))

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        logits: Tensor = self.head(self.block4(self.block3(self.block2(self.block1(self.stem(x))))))
        return logits


def _split(name: str) -> tuple[Tensor, Tensor]:
    images, labels = digit_images(name)
    return torch.from_numpy(upsampled(images, *INPUT_SHAPE[1:])), torch.from_numpy(labels)


def train_digits_network(seed: int, *, epochs: int = _EPOCHS, progress: Progress = silent) -> DigitsNetwork:
    """Trains the network with SGD and a one-cycle learning rate, on digits shifted by up to four pixels.

    Args:
        seed: Of the weights, the order and the shifts.
        epochs: Passes over the train split.
        progress: Told about every epoch.
    """
    images, labels = _split("train")
    generator = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = DigitsNetwork().train()
    optimizer = torch.optim.SGD(network.parameters(), lr=_LEARNING_RATE, momentum=0.9, nesterov=True, weight_decay=5e-4)
    steps = len(images) // _BATCH_SIZE
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _LEARNING_RATE, total_steps=epochs * steps)
    for epoch in range(epochs):
        order = torch.from_numpy(generator.permutation(len(images)))
        for step in range(steps):
            chosen = order[step * _BATCH_SIZE : (step + 1) * _BATCH_SIZE]
            shifted = _shifted(images[chosen], generator).to(memory_format=torch.channels_last)
            loss = nn.functional.cross_entropy(network(shifted), labels[chosen])
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
        progress("training the digits network", epoch + 1, epochs)
    return network.eval()


def _shifted(images: Tensor, generator: np.random.Generator) -> Tensor:
    """Every image moved by a random offset of at most four pixels; what is uncovered repeats the edge."""
    padded = nn.functional.pad(images, (4, 4, 4, 4), mode="replicate")
    height, width = images.shape[2:]
    offsets = generator.integers(0, 9, size=(len(images), 2))
    return torch.stack([image[:, y : y + height, x : x + width] for image, (y, x) in zip(padded, offsets, strict=True)])


def digits_accuracy(network: nn.Module) -> float:
    """Top-1 on the digits' test split, 0 to 1."""
    images, labels = _split("test")
    with torch.inference_mode():
        hits = [network(part).argmax(1) for part in torch.split(images, _BATCH_SIZE)]
    return float((torch.cat(hits) == labels).double().mean())
