"""A dense model with its artifacts: what every operating point is built from."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx

from zaponnx.artifacts import Calibration, Fit, OperatingPoint
from zaponnx.calib.hulls import Hull
from zaponnx.calibrated_sites import CalibratedSite, calibrated_sites
from zaponnx.graph.layouts import Layouts
from zaponnx.graph.passes import Changes, to_dense, to_zap_convs
from zaponnx.graph.rewriting import Replacement
from zaponnx.graph.site import Refusal
from zaponnx.patterns import ALL_OUTPUTS


@dataclass(frozen=True, eq=False)
class DenseModel:
    """A dense model, ready to be converted.

    Attributes:
        path: Its file, which conversions are compared with.
        model: The same, upgraded, and the calibrated sites folded.
        changes: What had to be changed beside the sites.
        calibration, fit: Its artifacts.
        hulls: What the thresholds of the fit's operating points, and of those between them, are chosen from.
        sites: The calibrated sites, in the model's order.
        refusals: The other Convs, and why they stay dense.
    """

    path: Path
    model: onnx.ModelProto
    changes: Changes
    calibration: Calibration
    fit: Fit
    hulls: Sequence[Hull]
    sites: list[CalibratedSite]
    refusals: list[Refusal]

    @classmethod
    def of(
        cls,
        path: Path,
        model: onnx.ModelProto,
        calibration: Calibration,
        fit: Fit,
        hulls: Sequence[Hull],
        artifact: Path,
    ) -> DenseModel:
        """Brings a model and its artifacts together.

        Args:
            path, model: The model as a file and in memory, where it may be changed.
            calibration, fit, hulls: Artifacts that belong to it and to each other.
            artifact: The file that the calibration is from, for error messages.

        Raises:
            ModelError: The model cannot be upgraded.
            ArtifactError: The calibration has a site that the model does not have.
        """
        model, changes = to_dense(
            model, lambda each: [match for match, _ in calibrated_sites(each, calibration, artifact)[0]]
        )
        sites, refusals = calibrated_sites(model, calibration, artifact)
        return cls(path, model, changes, calibration, fit, hulls, sites, refusals)

    @property
    def tensors(self) -> dict[str, list[str]]:
        """A site's output → the tensors that its nodes write, the output among them."""
        return {match.output: [node.outputs[0].name for node in match.nodes] for match, _ in self.sites}

    @property
    def suiting_winograd(self) -> list[str]:
        """The outputs of the sites whose ZapConv the library computes by Winograd's, if it computes all outputs."""
        return [match.output for match, _ in self.sites if match.suits_winograd]

    def converted(
        self, point: OperatingPoint, layout: str, winograd: Collection[str] = ()
    ) -> tuple[onnx.ModelProto, Layouts]:
        """A copy of the model in which sites are ZapConvs.

        Args:
            point: The thresholds; a site that skips nothing stays dense.
            layout: As for `zaponnx.graph.passes.to_zap_convs`.
            winograd: The outputs of sites whose ZapConv computes all outputs instead: all are in its pattern.
        """
        copy = onnx.ModelProto()
        copy.CopyFrom(self.model)
        replacements = []
        for match, site in self.sites:
            if match.output in winograd:
                replacements.append(Replacement(match, site.predictor, (-math.inf,), ALL_OUTPUTS))
            elif point.skips(match.output):
                thresholds = point.thresholds[match.output]
                replacements.append(Replacement(match, site.predictor, thresholds, self.calibration.pattern))
        return copy, to_zap_convs(copy, replacements, layout)
