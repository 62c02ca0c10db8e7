"""What fine-tuning did."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from zaponnx.calib.finetuning.training import Descent


@dataclass(frozen=True)
class FinetuneReport:
    """What `finetune` did.

    Attributes:
        model, output: The converted model, and the same with new weights.
        data: The SPEC of what it was trained on.
        split: Its split; None where the SPEC has none.
        samples: Samples per epoch; 0 without epochs.
        batch_size: Samples per step.
        loss: "labels" or "distill".
        descent: Epochs, learning rate, weight decay, momentum, and whether weights are averaged.
        losses: The mean loss of every epoch, while it was trained, so none is that of averaged weights.
        reestimated: How many layers had their statistics re-estimated.
        weights: How many initializers were trained.
        difference: The largest difference between torch's and ONNX Runtime's outputs, before and after, with everything
            computed, relative to the largest output.
    """

    model: Path
    output: Path
    data: str
    split: str | None
    samples: int
    batch_size: int
    loss: str
    descent: Descent
    losses: tuple[float, ...]
    reestimated: int
    weights: int
    difference: float

    def to_json(self) -> dict[str, Any]:
        """As `zaponnx finetune --json` prints it."""
        return {**asdict(self), "model": str(self.model), "output": str(self.output)}
