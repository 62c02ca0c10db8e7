"""Makes tuned models: a converted network → the same, each layer in the form that is fastest with so many threads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import zaponnx
from benchmarks.preparing import Converted, Prepared, fit_of, measured_saving
from benchmarks.settings import SETTINGS
from zaponnx.artifact_files import load_calibration
from zaponnx.patterns import ALL_OUTPUTS
from zaponnx.runtime import library_path


@dataclass(frozen=True)
class Tuned:
    """A tuned model.

    Attributes:
        model: The file.
        skipping, in_full, dense: How many of the calibrated sites became ZapConvs that skip, how many ZapConvs that
            compute all outputs, and how many stayed dense.
        saving: Share of the predicted layers' MACs that it skips on the first image; see `measured_saving`.
    """

    model: Path
    skipping: int
    in_full: int
    dense: int
    saving: float


def tuned(prepared: Prepared, converted: Converted, threads: int) -> Tuned:
    """The model that `zaponnx.convert` tunes on the images of the calibration, one at a time.

    It is kept beside the one that is not tuned, as long as that is, and until the native library is built anew.
    """
    model = converted.model.with_name(f"{converted.point.name}.{threads}-threads.zap.onnx")
    if not model.exists() or model.stat().st_mtime < library_path().stat().st_mtime:
        zaponnx.convert(
            prepared.dense,
            converted.calibration,
            fit_of(converted.calibration),
            model,
            mac_saving=converted.goal,
            tune=True,
            data=SETTINGS[prepared.network].calibration_data(prepared.dense.parent),
            threads=threads,
        )
    sites = len(load_calibration(converted.calibration, "bench").sites)
    patterns = [layer.pattern for layer in zaponnx.inspect(model).layers if layer.status == "converted"]
    in_full = patterns.count(ALL_OUTPUTS.spec)
    saving = measured_saving(model, converted.calibration, prepared.images[:1])
    return Tuned(model, len(patterns) - in_full, in_full, sites - len(patterns), saving)
