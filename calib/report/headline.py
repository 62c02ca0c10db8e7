"""The headline of a report: what was saved, lost and gained in time, in numbers and in one sentence."""

from __future__ import annotations

from dataclasses import dataclass

from zaponnx.benchmark import BenchmarkRun


@dataclass(frozen=True)
class Accuracy:
    """Measured accuracies, shares from 0 to 1.

    Attributes:
        data, split, samples: What they were measured on.
        dense_top1, top1, dense_top5, top5: Of the dense and of the converted model.
    """

    data: str
    split: str | None
    samples: int
    dense_top1: float
    top1: float
    dense_top5: float
    top5: float

    @property
    def top1_lost(self) -> float:
        """Percentage points; negative if accuracy was gained."""
        return 100 * (self.dense_top1 - self.top1)


@dataclass(frozen=True)
class Work:
    """What was saved of the multiply-accumulates, shares from 0 to 1.

    Attributes:
        measured: Whether it was, by eval; else it is what calibration lets expect.
        whole: Of all convolutions' MACs, gross of the predictors; None where the model does not fix its size.
        net: The same less the predictors' own MACs.
        predicted: Of the calibrated layers' MACs, gross.
    """

    measured: bool
    whole: float | None
    net: float | None
    predicted: float


@dataclass(frozen=True)
class Headline:
    """Saved, lost, gained; None where it is not known.

    Attributes:
        work: The saving.
        accuracy: What it costs.
        timings: What it gains, for each number of threads.
        cpu: Where it was timed.
        baseline: The file that it was timed against.
    """

    work: Work
    accuracy: Accuracy | None
    timings: tuple[BenchmarkRun, ...]
    cpu: str
    baseline: str

    @property
    def sentence(self) -> str:
        """All of it in one sentence."""
        share = self.work.predicted if self.work.whole is None else self.work.whole
        of = "calibrated layers'" if self.work.whole is None else "convolutions'"
        parts = [
            f"{share:.1%} of the {of} multiply-accumulates {'saved' if self.work.measured else 'expected to be saved'}"
        ]
        if self.accuracy:
            lost = self.accuracy.top1_lost
            change = "no top-1 lost" if abs(lost) < 0.005 else f"{abs(lost):.2f} points of top-1 "
            parts.append(change + ("" if abs(lost) < 0.005 else "lost" if lost > 0 else "gained"))
        for number, run in enumerate(self.timings):
            speed = run.spread + ("" if number else " the dense model's speed")
            parts.append(f"{speed} with {run.threads} thread{'s' * (run.threads > 1)}")
        return ", ".join(parts)
