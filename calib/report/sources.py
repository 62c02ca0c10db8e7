"""What a report is made of: reads the model, artifacts and results, refuses what does not belong to the model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import onnx

from zaponnx.artifact_files import load_calibration, load_fit
from zaponnx.artifacts import Calibration, Fit, SiteCalibration
from zaponnx.benchmark import Benchmark
from zaponnx.calib.report.effects import Expectations
from zaponnx.carried import RETUNING, read_artifacts
from zaponnx.conversion_report import ConversionReport
from zaponnx.errors import ArtifactError, ModelError
from zaponnx.evaluation import Evaluation, ModelEvaluation
from zaponnx.files import sha256
from zaponnx.graph.converted import is_converted, read_metadata
from zaponnx.inspection import Inspection, inspect
from zaponnx.models import load_model, model_sha256
from zaponnx.results import read_result


@dataclass(frozen=True)
class Sources:
    """All that was given, of one model.

    Attributes:
        path, model, sha256: The converted model, and its hash.
        metadata: What `convert` recorded in it.
        inspection: Its convolutions.
        calibration_file: What --calibration gave; None without.
        calibration, fit: That file or what the model carries, and the fit; None where neither is there.
        expectations: What calibration lets expect; None without it.
        evaluations, benchmark, conversion: Results; none, or None, without.
    """

    path: Path
    model: onnx.ModelProto
    sha256: str
    metadata: Mapping[str, str]
    inspection: Inspection
    calibration_file: Calibration | None
    calibration: Calibration | None
    fit: Fit | None
    expectations: Expectations | None
    evaluations: tuple[Evaluation, ...]
    benchmark: Benchmark | None
    conversion: ConversionReport | None

    @property
    def original_sha256(self) -> str:
        """The hash of the dense model that the model was converted from."""
        return self.metadata.get("model_sha256", "")

    @cached_property
    def recorded(self) -> tuple[float, float, float]:
        """The operating point that `convert` recorded: epsilon, error and the share of MACs saved.

        Raises:
            ArtifactError: There is none.
        """
        try:
            epsilon, error, mac_saved = (float(self.metadata[name]) for name in ("epsilon", "error", "mac_saved"))
            if not math.isfinite(epsilon + error + mac_saved):
                raise ValueError("they are not finite")
        except (KeyError, ValueError) as problem:
            what, remedy = "its metadata do not record its operating point", "convert the original model again"
            raise ArtifactError("report", what, where=str(self.path), remedy=remedy) from problem
        return epsilon, error, mac_saved

    @property
    def sites(self) -> tuple[SiteCalibration, ...]:
        """The calibrated layers; none where that is not known."""
        return () if self.calibration is None else self.calibration.sites

    @cached_property
    def evaluation(self) -> tuple[Evaluation, ModelEvaluation, ModelEvaluation | None] | None:
        """The first evaluation of the model: all of it, the model's, and the dense model's if that is in it."""
        for evaluation in self.evaluations:
            by_hash = {model.sha256: model for model in evaluation.models}
            if self.sha256 in by_hash:
                return evaluation, by_hash[self.sha256], by_hash.get(self.original_sha256)
        return None


def read_sources(
    path: Path,
    calibration: Path | None,
    fit: Path | None,
    evaluations: Sequence[Path],
    benchmark: Path | None,
    conversion: Path | None,
) -> Sources:
    """Reads everything.

    Raises:
        ModelError: The model cannot be read, or is not converted.
        ArtifactError: A file, or what the model carries, is damaged or of another model.
    """
    model = load_model(path, "report")
    if not is_converted(model):
        raise ModelError("report", "it is not converted", where=str(path), remedy="give a model that convert wrote")
    metadata, digest = read_metadata(model), model_sha256(path, "report")
    carried = read_artifacts(model, "report", str(path)) if RETUNING in metadata else None
    given_calibration = _calibration(calibration, metadata)
    known_calibration = given_calibration or (carried[0] if carried else None)
    known_fit = _fit(fit, metadata) or (carried[1] if carried else None)
    hulls = carried[2] if carried and not given_calibration else None
    return Sources(
        path=path,
        model=model,
        sha256=digest,
        metadata=metadata,
        inspection=inspect(path),
        calibration_file=given_calibration,
        calibration=known_calibration,
        fit=known_fit,
        expectations=Expectations(known_fit, known_calibration, hulls) if known_fit and known_calibration else None,
        evaluations=tuple(_evaluation(file, metadata) for file in evaluations),
        benchmark=_benchmark(benchmark, path, digest),
        conversion=_conversion(conversion, path, digest),
    )


def _calibration(path: Path | None, metadata: Mapping[str, str]) -> Calibration | None:
    if path is None:
        return None
    calibration = load_calibration(path, "report")
    if sha256(path) != metadata.get("calibration_sha256"):
        raise _foreign(path, "calibration", "give the calibration that it was converted with")
    return calibration


def _fit(path: Path | None, metadata: Mapping[str, str]) -> Fit | None:
    if path is None:
        return None
    fit = load_fit(path, "report")
    if fit.calibration_sha256 != metadata.get("calibration_sha256"):
        raise _foreign(path, "fit", "give the fit that it was converted with")
    return fit


def _evaluation(path: Path, metadata: Mapping[str, str]) -> Evaluation:
    evaluation = read_result(Evaluation, path, "eval", "report")
    if metadata.get("model_sha256", "") not in [model.original_sha256 for model in evaluation.models]:
        raise _foreign(path, "evaluation", "evaluate the model, or others of the same network")
    return evaluation


def _benchmark(path: Path | None, model: Path, digest: str) -> Benchmark | None:
    if path is None:
        return None
    benchmark = read_result(Benchmark, path, "bench", "report")
    if benchmark.model_sha256 != digest:
        raise _foreign(path, "benchmark", f"run zaponnx bench {model}")
    return benchmark


def _conversion(path: Path | None, model: Path, digest: str) -> ConversionReport | None:
    if path is None:
        return None
    conversion = read_result(ConversionReport, path, "convert", "report")
    if conversion.output_sha256 != digest:
        raise _foreign(path, "conversion", f"give what convert or retune printed when it wrote {model}")
    return conversion


def _foreign(path: Path, what: str, remedy: str) -> ArtifactError:
    return ArtifactError("report", f"the {what} is of another model", where=str(path), remedy=remedy)
