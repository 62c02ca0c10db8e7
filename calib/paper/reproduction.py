"""reproduce: reads ImageNet, measures the published operating points again, gives the published table beside ours.

Per network: export; per pattern: calibrate, and fit with the published method; per operating point: convert, evaluate,
fine-tune for an epoch, evaluate. All files stay in a directory, and what is there already is not made again: each is
written whole or not at all, so that an interrupted run goes on where it was.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from zaponnx.calib.calibration import calibrate
from zaponnx.calib.exporting import export
from zaponnx.calib.finetuning import finetune
from zaponnx.calib.fitting import fit
from zaponnx.calib.paper.points import PaperPoint, paper_point, paper_points
from zaponnx.conversion import convert
from zaponnx.errors import DataError, InvalidArgument
from zaponnx.evaluation import eval
from zaponnx.files import atomic_path
from zaponnx.progress import Progress, silent
from zaponnx.providers import Provider

WEIGHTS = ("DEFAULT", "random")
_PARTS = ("train", "val")


@dataclass(frozen=True)
class Accuracies:
    """Of one model on the validation images, 0 to 1."""

    top1: float
    top5: float


@dataclass(frozen=True)
class Reproduced:
    """One operating point, measured.

    Attributes:
        published: What was published.
        mac_saved: Share of the predicted layers' MACs that is saved on the validation images, 0 to 1.
        dense, converted, finetuned: The accuracies of the three models.
    """

    published: PaperPoint
    mac_saved: float
    dense: Accuracies
    converted: Accuracies
    finetuned: Accuracies

    @property
    def drops(self) -> list[float]:
        """What is lost, in percentage points: of top-1 and after fine-tuning, of top-5 and after fine-tuning."""
        return [
            100 * (getattr(self.dense, name) - getattr(model, name))
            for name in ("top1", "top5")
            for model in (self.converted, self.finetuned)
        ]


@dataclass(frozen=True)
class Reproduction:
    """The table.

    Attributes:
        data: The directory of images.
        output: The directory of what was made.
        weights: "DEFAULT" or "random".
        samples: At most so many training images were used; None for all.
        images: How many validation images there were.
        points: The operating points.
    """

    data: Path
    output: Path
    weights: str
    samples: int | None
    images: int
    points: tuple[Reproduced, ...]

    def to_json(self) -> dict[str, Any]:
        """As `zaponnx reproduce --json` prints it."""
        return {**asdict(self), "data": str(self.data), "output": str(self.output)}


def reproduce(
    data: Path | str,
    output: Path | str,
    *,
    preset: str | Sequence[str] = (),
    weights: str = "DEFAULT",
    samples: int | None = None,
    input_size: int = 224,
    workers: int = 0,
    providers: Sequence[Provider] | None = None,
    device: str | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Reproduction:
    """Measures the published operating points on ImageNet.

    Args:
        data: A directory with train/ and val/, each with a folder of images per class.
        output: The directory to write to, made if it does not exist. What an earlier run with the same arguments left
            there is used.
        preset: The operating points, as in paper:resnet18-D; all eight if there are none.
        weights: "DEFAULT" for torchvision's, which it downloads, or "random", to try the command.
        samples: At most so many training images, per pass.
        input_size: Height and width of the networks' input, in pixels.
        workers: Processes that decode images.
        providers: ONNX Runtime's, which run the models that are calibrated and evaluated.
        device: Torch's device for fine-tuning; that of the providers if None.
        seed: Of all that is random.
        progress: Told about every step.

    Raises:
        InvalidArgument: An unknown preset, weights that are neither, or a directory that cannot be made or holds what
            other arguments made.
        DataError: The directory is not laid out like that, or an image cannot be read.
        ZapError: As the commands say that it consists of.
    """
    data, output = Path(data), Path(output)
    if weights not in WEIGHTS:
        raise InvalidArgument("reproduce", f"unknown weights '{weights}'", remedy=f"use {' or '.join(WEIGHTS)}")
    names = [preset] if isinstance(preset, str) else preset
    points = [paper_point(name) for name in names] or paper_points()
    _check_layout(data)
    settings = {"data": str(data.resolve()), "weights": weights, "samples": samples, "input_size": input_size}
    _claim(output, {**settings, "seed": seed})
    run = _Run(data, output, weights, samples, input_size, workers, providers, device, seed, progress)
    measured = [run.point(point) for point in points]
    images = measured[0][1]
    return Reproduction(data, output, weights, samples, images, tuple(reproduced for reproduced, _ in measured))


@dataclass(frozen=True)
class _Run:
    """The steps, each skipped where its file is there; the attributes are `reproduce`'s arguments."""

    data: Path
    output: Path
    weights: str
    samples: int | None
    input_size: int
    workers: int
    providers: Sequence[Provider] | None
    device: str | None
    seed: int
    progress: Progress

    def point(self, point: PaperPoint) -> tuple[Reproduced, int]:
        """One operating point, and how many images it was evaluated on."""
        train, validation = (f"images:{self.data / part}" for part in _PARTS)
        name = point.name.partition(":")[2]
        dense = self.output / f"{point.network}.onnx"
        calibration = self.output / f"{point.network}-{point.pattern}.zapcal"
        fitted = calibration.with_suffix(".zapfit.json")
        converted, finetuned = (self.output / f"{name}.{suffix}" for suffix in ("zap.onnx", "finetuned.zap.onnx"))
        common: dict[str, Any] = {"seed": self.seed, "progress": self.progress}
        images: dict[str, Any] = {"samples": self.samples, "workers": self.workers, **common}
        if not dense.exists():
            weights = None if self.weights == "random" else self.weights
            shape = (1, 3, self.input_size, self.input_size)
            export(point.network, dense, weights=weights, input_shape=shape, **common)
        if not calibration.exists():
            settings: dict[str, Any] = {"pattern": point.pattern, "training": "paper", "providers": self.providers}
            calibrate(dense, train, calibration, **settings, **images)
        if not fitted.exists():
            fit(calibration, fitted, method="sigmoid")
        if not converted.exists():
            convert(dense, calibration, fitted, converted, epsilon=point.epsilon)
        if not finetuned.exists():
            placed: dict[str, Any] = {"device": self.device} if self.device else {"providers": self.providers}
            finetune(converted, train, finetuned, preset=point.name, loss="labels", **placed, **images)
        running: dict[str, Any] = {"workers": self.workers, "providers": self.providers, "progress": self.progress}
        evaluation = eval([dense, converted, finetuned], validation, **running)
        accuracies = [Accuracies(_known(model.top1), _known(model.top5)) for model in evaluation.models]
        return Reproduced(point, evaluation.models[1].mac_saved, *accuracies), evaluation.samples


def _known(accuracy: float | None) -> float:
    assert accuracy is not None  # the layout was checked: every image has a label
    return accuracy


def _check_layout(data: Path) -> None:
    """Refuses a directory whose parts are missing or have other classes than each other."""
    classes = []
    remedy = f"give a directory with {' and '.join(_PARTS)}, each with a folder of images per class"
    for part in _PARTS:
        folder = data / part
        if not folder.is_dir():
            raise DataError("reproduce", f"there is no directory '{part}'", where=str(data), remedy=remedy)
        classes.append({entry.name for entry in folder.iterdir() if entry.is_dir()})
        if not classes[-1]:
            raise DataError("reproduce", "there are no folders of classes", where=str(folder), remedy=remedy)
    if different := classes[0] ^ classes[1]:
        problem = f"only one of {' and '.join(_PARTS)} has the class '{min(different)}'"
        raise DataError("reproduce", problem, where=str(data), remedy=remedy)


def _claim(output: Path, settings: dict[str, Any]) -> None:
    """Makes the directory, or sees that it holds what the same settings made."""
    record = output / "settings.json"
    try:
        output.mkdir(parents=True, exist_ok=True)
        held = json.loads(record.read_text(encoding="utf-8")) if record.exists() else None
    except (OSError, ValueError) as error:
        raise InvalidArgument("reproduce", f"cannot be used ({error})", where=str(output)) from error
    if held is not None and held != settings:
        raise InvalidArgument("reproduce", f"holds what was made with {held}", where=str(output), remedy="give another")
    if held is None:
        with atomic_path(record, "reproduce") as temporary:
            temporary.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
