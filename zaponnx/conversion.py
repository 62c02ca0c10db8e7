"""convert: reads a model, its calibration and its fit; writes the model with ZapConvs at one operating point."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from zaponnx.artifact_files import load_calibration, load_fit
from zaponnx.calib.hulls import hulls
from zaponnx.calibrated_sites import check_provenance
from zaponnx.conversion_report import ConversionReport
from zaponnx.dense_model import DenseModel
from zaponnx.errors import ModelError, on_behalf_of
from zaponnx.graph.converted import is_converted
from zaponnx.models import check_model_output, external_files, load_model, model_sha256
from zaponnx.operating_point import Request, write_operating_point
from zaponnx.progress import Progress, silent
from zaponnx.providers import Provider


def convert(
    model: Path | str,
    calibration: Path | str,
    fit: Path | str,
    output: Path | str,
    *,
    epsilon: float | None = None,
    mac_saving: float | None = None,
    layout: str = "auto",
    tune: bool = False,
    data: str | None = None,
    batch_size: int | None = None,
    preprocess: str | None = None,
    threads: int | None = None,
    providers: Sequence[Provider] | None = None,
    progress: Progress = silent,
) -> ConversionReport:
    """Writes a model in which the calibrated sites are ZapConvs, at an operating point of the fit.

    The model is checked before it appears at `output`: by onnx.checker and strict shape inference, and by comparing
    it, with its thresholds at −∞, with the original.

    Args:
        model, calibration, fit: The three files; the artifacts must belong to the model.
        output: The file to write.
        epsilon: Takes the last point whose error, as measured in calibration, is not above this budget.
        mac_saving: Takes the first point that saves this share, 0 to 1, of the calibrated sites' MACs. Without both, it
            is the point that `fit` chose.
        layout: "auto" lets ZapConvs exchange activations in NHWC where that saves conversions, see
            `zaponnx.graph.layouts`; "nchw" does not. The results are the same.
        tune: Measures on this machine whether each site is fastest skipping, computed in full by Winograd's
            minimal filtering, or dense, makes it so and spends the error that others no longer cause on those that
            skip; see `zaponnx.site_choice`. If nothing pays, the model stays dense.
        data: The SPEC of the data to measure with, since what is skipped depends on them. For `tune`, as all below.
        batch_size: Samples per run, 1 if None, unless the model prescribes its batch.
        preprocess: Normalisation of images, as in `calibrate`.
        threads: ORT's threads within an operator; all cores if None.
        providers: ONNX Runtime's, as in `zaponnx.InferenceSession`: what is measured is what these take. Nothing but
            the CPU computes in full by Winograd's.
        progress: Told about every measurement.

    If no point keeps to the budget or reaches the goal, the nearest one is written, and the report says that the budget
    was missed; so it does where the sites that pay save less than `mac_saving`, and where `fit` missed its goal.

    Raises:
        InvalidArgument: Both `epsilon` and `mac_saving` are given, or neither is and `fit` chose no point; an argument
            is out of range; data are missing or given in vain, or the SPEC is unknown; the output cannot be written or
            is one of the inputs.
        ModelError: The model cannot be read or run or is converted already, or the check of the result failed.
        ArtifactError: An artifact cannot be read or belongs to another model, or the fit to another calibration.
        DataError: The data cannot be read or do not suit the model.
        OutputError: The system does not let the file be written.
        RuntimeUnavailable: ONNX Runtime, which the check needs, or the library or a provider, which tuning needs, is
            missing.
    """
    model, calibration, fit, output = Path(model), Path(calibration), Path(fit), Path(output)
    request = Request.of(epsilon, mac_saving, layout, tune, data, batch_size, preprocess, threads, providers)
    data_files = external_files(model, "convert")
    check_model_output(output, "convert", [model, *data_files, calibration, fit, *request.files])
    proto = load_model(model, "convert")
    if is_converted(proto):
        raise ModelError("convert", "it is already converted", where=str(model), remedy="convert the original model")
    calibrated, fitted = load_calibration(calibration, "convert"), load_fit(fit, "convert")
    check_provenance(model_sha256(model, "convert"), calibrated, calibration, fitted, fit)
    with on_behalf_of("convert", str(model)):
        found = hulls(calibrated, fitted.granularity, fitted.block)
        dense = DenseModel.of(model, proto, calibrated, fitted, found, calibration)
    return write_operating_point(dense, request, model, output, progress, external_data=bool(data_files))
