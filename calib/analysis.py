"""Each layer alone: reads a calibration, gives how well its predictor tells zeros, and what it misses.

All of it is over the outputs outside the pattern, on the samples that were held out from training. An output is
predicted zero, and skipped, where its predicted value is at most the threshold. A *true* zero is one that is zero, a
*false* zero one that is not: it is missed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from zaponnx.artifacts import Calibration, Floats, SiteCalibration
from zaponnx.calib.curves import Doubles, layer_curve
from zaponnx.calib.sigmoid import SAMPLED, SmoothCurve, smooth_curve
from zaponnx.errors import ArtifactError

_SHOWN_ERROR = 0.01


@dataclass(frozen=True)
class SiteAnalysis:
    """A layer's rates at thresholds from −∞ over the histogram's edges to +∞, T of them.

    Attributes:
        name, output: The site's.
        thresholds: float64 (T,).
        true_zeros: float64 (T,), the share of the zeros that are predicted zero; from 0 to 1.
        false_zeros: float64 (T,), the share of the other outputs that are.
        error: float64 (T,), the share of the outputs' sum that is lost.
        macs: float64 (T,), the share of the layer's MACs that is computed.
        missed: int64 (T, 32), the false zeros by their true value: column k has those from 2^(k-16) to 2^(k-15), the
            first and the last one all beyond, too.
        zeros: The share of the outputs that are zero, None where there are no outputs to predict.
        smooth: The sigmoids through `error` and `macs`.
    """

    name: str
    output: str
    thresholds: Doubles
    true_zeros: Doubles
    false_zeros: Doubles
    error: Doubles
    macs: Doubles
    missed: npt.NDArray[np.int64]
    zeros: float | None
    smooth: SmoothCurve

    @property
    def area(self) -> float:
        """The area under the ROC curve, `true_zeros` over `false_zeros`: 1 if all zeros are told, 0.5 by chance."""
        return float(np.trapezoid(self.true_zeros, self.false_zeros))

    def at(self, threshold: float) -> int:
        """The index of the highest of `thresholds` that is not above `threshold`, rounded to float32."""
        return int(np.searchsorted(self.thresholds, np.float32(threshold), side="right")) - 1

    @property
    def shown(self) -> int:
        """The index of the highest threshold at which at most 1 % of the outputs' sum is lost."""
        return int(np.searchsorted(self.error, _SHOWN_ERROR, side="right")) - 1

    def rates(self, index: int) -> dict[str, float]:
        """The rates at a threshold."""
        names = ("true_zeros", "false_zeros", "error", "macs")
        return {name: float(getattr(self, name)[index]) for name in names}

    def to_json(self) -> dict[str, Any]:
        """All but the thresholds between the paper's, −1.3 to 1.3 in steps of 0.1."""
        sampled = [{"threshold": round(float(t), 1), **self.rates(self.at(t))} for t in SAMPLED]
        return {
            "name": self.name,
            "output": self.output,
            "zeros": self.zeros,
            "area": self.area,
            "rates": sampled,
            "sigmoids": {name: list(values) for name, values in self.smooth.coefficients.items()},
            "reason": self.smooth.reason,
        }


@dataclass(frozen=True)
class Analysis:
    """What `analyze` found, layer by layer.

    Attributes:
        model_sha256: The model.
        pattern: Its pattern's SPEC.
        sites: In the model's order.
        files: What was written.
    """

    model_sha256: str
    pattern: str
    sites: tuple[SiteAnalysis, ...]
    files: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As `zaponnx analyze --json` prints it and analysis.json has it."""
        return {
            "model_sha256": self.model_sha256,
            "pattern": self.pattern,
            "sites": [site.to_json() for site in self.sites],
            "files": list(self.files),
        }


def analysis(calibration: Calibration) -> Analysis:
    """Analyses every layer of a calibration.

    Raises:
        ArtifactError: It has no magnitudes: it is not from a file.
    """
    sites: Sequence[SiteAnalysis] = [_site(site, calibration.edges) for site in calibration.sites]
    return Analysis(calibration.model_sha256, calibration.pattern.spec, tuple(sites))


def _site(site: SiteCalibration, edges: Floats) -> SiteAnalysis:
    if site.magnitudes is None:
        raise ArtifactError("analyze", "the magnitudes are missing", where=site.name, remedy="give calibrate's file")
    curve = layer_curve(site, edges)
    skipped = np.pad(np.cumsum(site.magnitudes, axis=1), ((0, 0), (1, 0)))
    zeros, others = skipped[0], skipped[1:].sum(axis=0)
    return SiteAnalysis(
        name=site.name,
        output=site.output,
        thresholds=curve.thresholds,
        true_zeros=zeros / max(zeros[-1], 1),
        false_zeros=others / max(others[-1], 1),
        error=curve.error[0],
        macs=1 - curve.saved[0] / curve.macs,
        missed=skipped[1:].T,
        zeros=float(zeros[-1] / (zeros[-1] + others[-1])) if zeros[-1] + others[-1] else None,
        smooth=smooth_curve(curve),
    )
