"""What follows the training of a pattern's predictors: reads its calibration, gives it with weights, and refined.

The network is the same for all patterns, and so are the samples that it is compared on. Where patterns are to be
compared, what each of them bears is the share of the MACs that it saves where a classifier loses about a percentage
point of its accuracy, with all layers skipping.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

from zaponnx.artifact_schema import calibration_of, calibration_parts
from zaponnx.artifacts import Calibration
from zaponnx.calib.checkpoint import Checkpoint
from zaponnx.calib.data import Batch
from zaponnx.calib.distributed import ProcessGroup
from zaponnx.calib.fitting import exact_points
from zaponnx.calib.histograms import Histograms
from zaponnx.calib.hulls import hulls
from zaponnx.calib.learning import LearningNetwork, RefiningError, agreed_network
from zaponnx.calib.output_errors import with_weights
from zaponnx.calib.passes import Passes
from zaponnx.calib.refining import STEP_SAMPLES, Refiner
from zaponnx.calib.refining_points import A_POINT, savings_at
from zaponnx.calib.worths import worths
from zaponnx.graph.site import Site
from zaponnx.json_fields import parse_json
from zaponnx.progress import Progress
from zaponnx.providers import Provider

_log = logging.getLogger("zaponnx.calibrate")


@dataclass
class _Outcome:
    """What has become of a pattern; a checkpoint has that once it is done, and not how.

    Attributes:
        calibration: As its file has it; None before it is done.
        saving: The share of the MACs that is saved where a classifier loses about a percentage point of its accuracy, 0
            if that is less than a twelfth of what the pattern leaves; None if it was not measured.
    """

    calibration: Calibration | None = None
    saving: float | None = None

    def state_dict(self) -> dict[str, Any]:
        """All of it."""
        if self.calibration is None:
            return {}
        header, arrays = calibration_parts(self.calibration)
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        return {"header": json.dumps(header), "arrays": tensors, "saving": self.saving}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Sets it to what `state_dict` gave."""
        if state:
            arrays = {name: tensor.numpy() for name, tensor in state["arrays"].items()}
            self.calibration = calibration_of(parse_json(state["header"], "calibrate", "the checkpoint"), arrays)
            self.saving = state["saving"]


@dataclass(frozen=True)
class Finishing:
    """What the patterns' calibrations have in common.

    Attributes:
        dense: The model; it may be changed.
        where: Its file, for error messages.
        sites: Those that are calibrated.
        samples: What the outputs are compared on, held out from training.
        passes: Over the data; those of all patterns are trained.
        checkpoint: Kept as they go on.
        epochs: Of the training; the passes for the patterns follow it and the one that measured.
        steps: How many refine the predictors, 0 for none.
        comparing: Whether patterns are compared.
        seed: Of the steps' order.
        group: The processes that share the samples.
        device: Where torch computes.
        providers: ONNX Runtime's.
    """

    dense: onnx.ModelProto
    where: Path
    sites: Sequence[Site]
    samples: Sequence[Batch]
    passes: Passes
    checkpoint: Checkpoint
    epochs: int
    steps: int
    comparing: bool
    seed: int
    group: ProcessGroup
    device: torch.device
    providers: Sequence[Provider] | None

    def finished(self, calibration: Calibration, number: int, progress: Progress) -> tuple[Calibration, float | None]:
        """A pattern's calibration as its file has it, and the saving of its outcome.

        Args:
            calibration: As it was measured.
            number: The pattern's, from 0.
            progress: Told about the steps.
        """
        outcome = _Outcome()
        self.checkpoint.include(f"finished {number}", outcome)
        if outcome.calibration is None:
            outcome.calibration, outcome.saving = self._finished(calibration, number, progress)
        self.checkpoint.drop(f"refiner {number}")
        self.checkpoint.drop(f"refined {number}")
        return outcome.calibration, outcome.saving

    def _finished(self, calibration: Calibration, number: int, progress: Progress) -> tuple[Calibration, float | None]:
        if self.group.rank == 0:  # which alone measures what few samples suffice for
            calibration = with_weights(calibration, self.dense, self.samples, self.providers, progress, self.where)
        if not (self.steps or self.comparing):
            return calibration, None
        calibration = _with_shared_weights(calibration, self.group)
        dense = onnx.ModelProto()
        dense.CopyFrom(self.dense)  # in which sites become ZapConvs
        try:
            network = agreed_network(dense, calibration, self.samples[0], self.where, self.device, self.group)
        except RefiningError as error:
            return self._unrefined(calibration, error), None
        if self.steps:
            try:
                calibration = self._refined(calibration, network, number, progress)
            except RefiningError as error:
                network.reset()
                calibration = self._unrefined(calibration, error)
        return calibration, self._saving(calibration, network, progress) if self.comparing else None

    def _refined(
        self, calibration: Calibration, network: LearningNetwork, number: int, progress: Progress
    ) -> Calibration:
        """Refines the predictors in the pattern's passes, and measures them again.

        Raises:
            RefiningError: The network's output is not finite, or it would not help.
        """
        refiner = Refiner(network, calibration, self.samples, self.steps, self.seed, self.group, progress)
        histograms = Histograms(self.sites, calibration.pattern, self.group, self.device)
        self.checkpoint.include(f"refiner {number}", refiner)
        self.checkpoint.include(f"refined {number}", histograms)
        first = self.epochs + 1 + number * (self.steps + 1)
        last = first + self.steps  # of the passes: none of the others has less than a step
        place = max(first, self.checkpoint.place.number)
        while not refiner.done:
            # The order of a pass is that of the same pass with this pattern only.
            for part in self.passes.refining(place, place - first + self.epochs + 1, STEP_SAMPLES):
                refiner.add(part.batch, part.count)
                if refiner.done:
                    break
            else:
                refiner.step()
            place += 1
        predictors = refiner.predictors()
        step = "measuring the curves again" + (f", pattern {calibration.pattern.spec}" if self.comparing else "")
        for measured in self.passes.measuring(last, step):
            histograms.add(measured.outputs, predictors)
        pairs = zip(histograms.result(predictors), calibration.sites, strict=True)
        sites = (replace(new, weight=old.weight, worths=worths(old, calibration.edges)) for new, old in pairs)
        refined = replace(calibration, sites=tuple(sites))
        if not refiner.gain(refined) > 0:
            raise RefiningError("it would not bring held-out samples' outputs nearer to the dense model's")
        return refined

    def _unrefined(self, calibration: Calibration, error: RefiningError) -> Calibration:
        """The calibration as it is, once a warning has said so."""
        if not self.steps:
            self._warn(calibration, f"what it saves is not known: {error}")
            return calibration
        self._warn(calibration, f"the predictors are not refined: {error}")
        return replace(calibration, settings={**calibration.settings, "refine_steps": 0, "not_refined": str(error)})

    def _saving(self, calibration: Calibration, network: LearningNetwork, progress: Progress) -> float | None:
        """What is saved where a point is lost, 0 if that is little, None if it cannot be measured."""
        points = exact_points(hulls(calibration, "channel"), "output")

        def done(batches: int) -> None:
            progress("measuring what the pattern saves", batches, len(self.samples))

        try:
            (saving,) = savings_at(network, points, [A_POINT], self.samples, self.group, done, least=0.0)
        except RefiningError as error:
            self._warn(calibration, f"what it saves is not known: {error}")
            return None
        return float(saving)

    def _warn(self, calibration: Calibration, text: str) -> None:
        if self.group.rank == 0:
            _log.warning("%s%s", f"pattern {calibration.pattern.spec}: " if self.comparing else "", text)


def _with_shared_weights(calibration: Calibration, group: ProcessGroup) -> Calibration:
    """The calibration with the first process's weights of the sites."""
    weights = np.array([site.weight for site in calibration.sites])
    shared = np.frombuffer(group.from_first(weights.tobytes()))
    sites = (replace(site, weight=float(weight)) for site, weight in zip(calibration.sites, shared, strict=True))
    return replace(calibration, sites=tuple(sites))
