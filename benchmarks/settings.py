"""How the networks are made ready: what is exported, calibrated how, on which images, and what they are timed on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.images import synthetic_images
from zaponnx.calib.data.digits import digit_images, upsampled

Images = npt.NDArray[np.float32]

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Settings:
    """A network's.

    Attributes:
        source: Of `zaponnx.export`.
        data: Of `zaponnx.calibrate`: "digits", or "synthetic" for images of `benchmarks.images`.
        size: Of the square input images.
        classifier: Whether it has a large one, so that it is also timed without.
        samples, epochs, batch_size: Of `zaponnx.calibrate`. Few images do: each has thousands of outputs per channel.
        timed: How many other images there are to time on.
        seed: Of all random numbers.
    """

    source: str
    data: str = "synthetic"
    size: int = 224
    classifier: bool = False
    samples: int = 16
    epochs: int = 3
    batch_size: int = 1
    timed: int = 32
    seed: int = 0

    @property
    def digest(self) -> str:
        """Tells settings apart in the names of directories, and states of the code that makes networks and images."""
        sources = b"".join(_HERE.joinpath(name).read_bytes() for name in ("images.py", "networks.py"))
        return hashlib.sha256(json.dumps(asdict(self)).encode() + sources).hexdigest()[:8]

    def timed_images(self) -> Images:
        """What the network is timed on, (timed, 3, size, size)."""
        if self.data == "digits":
            return upsampled(digit_images("test")[0][: self.timed], 3, self.size, self.size)
        return synthetic_images(self.timed, self.size, self.seed + 1)

    def calibration_data(self, directory: Path) -> str:
        """The SPEC of what the network is calibrated on; writes it to the directory where it needs to."""
        if self.data == "digits":
            return self.data
        file = directory / "calibration.npz"
        np.savez(file, input=synthetic_images(self.samples, self.size, self.seed))
        return f"npz:{file}"


SETTINGS: Mapping[str, Settings] = {
    "resnet18": Settings("benchmarks.networks:resnet18"),
    "vgg16": Settings("benchmarks.networks:vgg16", classifier=True),
    "alexnet": Settings("benchmarks.networks:alexnet", classifier=True),
    "digits": Settings("digits", data="digits", size=32, samples=1000, epochs=5, batch_size=128),
}
"""Network → how it is made ready."""
