"""The artifacts between the commands: calibration (.zapcal) and fit (.zapfit.json).

Both are versioned, checked when read, written atomically, and carry the SHA-256 of the model they belong to.
`docs/artifacts.md` specifies the two formats.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from zaponnx.patterns import Pattern

if TYPE_CHECKING:
    from zaponnx.chosen_point import ChosenPoint, UsedData

CALIBRATION_VERSION = 2
FIT_VERSION = 3

GRANULARITIES = ("channel", "layer")
"""What has a threshold of its own."""

OBJECTIVES = ("output", "sum")
"""What is minimised, see `zaponnx.calib.exact`: the errors' effect on the model's outputs, or their plain sum."""

MAGNITUDES = 33
"""Classes of true values: 0 is zero, k from 1 has 2^(k-17) up to 2^(k-16), the first and the last all beyond, too."""

BLOCKS = {"1x1x1": (1, 1, 1), "8x1x1": (8, 1, 1), "64x1x1": (64, 1, 1), "64x4x4": (64, 4, 4)}
"""What a kernel skips only together: channels, rows and columns of outputs. The first is a single output; 64x1x1, a
pixel's block of channels, is what the CUDA kernels compute by tiles. They begin at multiples of their size, and each
size is a multiple of the one before."""

SINGLE, *LARGER_BLOCKS = BLOCKS

Floats = npt.NDArray[np.float32]


def decimals(values: Floats) -> npt.NDArray[np.float64]:
    """The numbers of the fewest decimal digits that round to float32 values: 0.1, and not 0.10000000149."""
    unique, places = np.unique(values, return_inverse=True)
    return np.array([float(str(value)) for value in unique], np.float64)[places].reshape(values.shape)


@dataclass(frozen=True)
class Predictor:
    """A site's predictor V = dwconv3x3(relu(dwconv3x3(S, P1, p1)), P2, p2), batch norm folded in.

    Attributes:
        P1, P2: Depthwise weights, float32 (M, 1, 3, 3).
        p1, p2: Biases, float32 (M,).
    """

    P1: Floats
    p1: Floats
    P2: Floats
    p2: Floats


@dataclass(frozen=True)
class SiteCalibration:
    """What calibration learned and measured of one site.

    The histogram is over the predicted values V of the outputs that are not in the pattern. Bin j holds
    edges[j-1] < V <= edges[j]; bin 0 everything up to edges[0], the last bin everything above the last edge (and
    NaN). With the threshold at edges[j], exactly bins 0 to j are skipped.

    Attributes:
        name, output, channels, macs_per_output: As in `zaponnx.graph.site.Site`.
        predictor: The trained predictor.
        counts: int64 (M, B+1), outputs by predicted value.
        values: float64 (M, B+1), sum of the true post-ReLU values of those outputs.
        total_value: Sum of all post-ReLU values, pattern included.
        outputs: Number of outputs seen, pattern included.
        samples: Number of samples they were measured on.
        magnitudes: int64 (MAGNITUDES, B+1), those outputs of all channels by the class of their true value and by
            predicted value. None in a converted model, which does not carry them.
        blocks: int64 (3, B+1), those outputs of all channels by the largest predicted value outside the pattern in
            their block, of each of the larger sizes: with the threshold at edges[j], exactly bins 0 to j are skipped if
            nothing but whole blocks is. None, and optional in a file, if that was not measured.
        worths: float64 (M, B+1), what each of those outputs is worth in units of value, from 0, not falling along the
            bins: thresholds per channel go by it, not by the values, where predictors were refined. None, and optional
            in a file, if they were not; likewise in a converted model, which does not carry it.
        weight: What the square of its error costs the model's outputs, in relation to the mean of all sites; 1, and
            optional in a file, where that was not measured.
    """

    name: str
    output: str
    channels: int
    macs_per_output: int
    predictor: Predictor
    counts: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    total_value: float
    outputs: int
    samples: int
    magnitudes: npt.NDArray[np.int64] | None = None
    blocks: npt.NDArray[np.int64] | None = None
    worths: npt.NDArray[np.float64] | None = None
    weight: float = 1.0

    @property
    def macs(self) -> float:
        """Dense multiply-accumulates of the site per sample."""
        return self.macs_per_output * self.outputs / self.samples


@dataclass(frozen=True)
class Calibration:
    """The predictors of a model and the histograms from which all its curves follow.

    Attributes:
        model_sha256: The hash of the model that it belongs to.
        pattern: The computation pattern of all sites: A to E, or a tile by rows, as in 10/01; 1 is computed.
        edges: float32 (B,), ascending; the histograms' bin edges and the candidate thresholds.
        sites: The sites in the model's order, no two of the same output.
        settings: How it was made (seed, epochs, data, versions, ...), for provenance only: shown, never interpreted.
    """

    model_sha256: str
    pattern: Pattern
    edges: Floats
    sites: tuple[SiteCalibration, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As `zaponnx calibrate --json` prints it: all but the arrays."""
        names = ("name", "output", "channels", "macs", "samples")
        return {
            "model_sha256": self.model_sha256,
            "pattern": self.pattern.spec,
            "sites": [{name: getattr(site, name) for name in names} for site in self.sites],
            "settings": dict(self.settings),
        }


@dataclass(frozen=True)
class OperatingPoint:
    """Thresholds for one budget, and what they are expected to cost and save.

    Attributes:
        epsilon: The budget that the thresholds were computed for.
        error: That of all sites, by the fit's objective, from the measured curves; with the method "sigmoid", whose
            budgets hold on the fitted curves, it may exceed epsilon.
        mac_saved: Share of all sites' MACs that is skipped, 0 to 1, gross of the predictors.
        thresholds: Site output → one threshold, or one per channel, in float32; −∞ computes everything, +∞ the pattern
            only.
    """

    epsilon: float
    error: float
    mac_saved: float
    thresholds: Mapping[str, tuple[float, ...]]

    def skips(self, site: str) -> bool:
        """Whether a site, by its output, skips anything."""
        return max(self.thresholds[site]) > -math.inf


@dataclass(frozen=True)
class Fit:
    """The thresholds of a whole range of budgets.

    Attributes:
        model_sha256: The hash of the model that it belongs to.
        calibration_sha256: The hash of the calibration file that it was computed from.
        method: "exact", "sigmoid" or, for thresholds that others found, "imported".
        granularity: What has a threshold of its own, "channel" or "layer".
        objective: What the points' errors are, "output" or "sum".
        points: Operating points, at least one, by ascending epsilon, from 0 to where only the patterns are computed.
        curves: Site output → how its curves were obtained: "curve", "reason", "error" and "macs".
        calibrated_on: The calibration's data; None if it does not say.
        chosen: The operating point that was asked for; None if none was.
        block: What is counted as saved, one of "1x1x1", "8x1x1", "64x1x1" and "64x4x4" outputs, channels, rows and
            columns, that are skipped together; the first, and optional in a file, if blocks were not counted.
    """

    model_sha256: str
    calibration_sha256: str
    method: str
    granularity: str
    objective: str
    points: tuple[OperatingPoint, ...]
    curves: Mapping[str, Mapping[str, Any]]
    calibrated_on: UsedData | None = None
    chosen: ChosenPoint | None = None
    block: str = SINGLE

    @property
    def budget_missed(self) -> str:
        """Why the goal of the chosen point is missed, "" if it is met or there is none."""
        return self.chosen.missed if self.chosen else ""

    @property
    def note(self) -> str:
        """What is to be said of the data that accuracies were measured on, "" if they are no others' too."""
        if self.chosen is None or self.chosen.goal.max_drop is None:
            return ""
        searched, calibrated = self.chosen.data, self.calibrated_on
        if searched is None or calibrated is None or not searched.overlaps(calibrated):
            return ""
        return (
            f"the drop was measured on {searched.data}, which calibrated the predictors, too: "
            "on other data it may be larger"
        )

    def to_json(self) -> dict[str, Any]:
        """As `zaponnx fit --json` prints it: all but the thresholds."""
        names = ("epsilon", "error", "mac_saved")
        return {
            "model_sha256": self.model_sha256,
            "calibration_sha256": self.calibration_sha256,
            "method": self.method,
            "granularity": self.granularity,
            "objective": self.objective,
            "block": self.block,
            "points": [{name: getattr(point, name) for name in names} for point in self.points],
            "curves": {output: dict(curve) for output, curve in self.curves.items()},
            "calibrated_on": asdict(self.calibrated_on) if self.calibrated_on else None,
            "chosen": self.chosen.to_json() if self.chosen else None,
            "budget_missed": self.budget_missed,
            "note": self.note,
        }
