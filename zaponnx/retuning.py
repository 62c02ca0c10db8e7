"""retune: reads a converted model, writes it at another operating point, from what the model itself carries."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from zaponnx.carried import read_artifacts
from zaponnx.conversion_report import ConversionReport
from zaponnx.dense_model import DenseModel
from zaponnx.errors import on_behalf_of
from zaponnx.graph.converted import read_metadata, write_metadata
from zaponnx.models import check_model_output, external_files, load_model, temporary_model
from zaponnx.operating_point import Request, write_operating_point
from zaponnx.progress import Progress, silent
from zaponnx.provenance import FINETUNED
from zaponnx.providers import Provider
from zaponnx.stripping import back_to_dense, check_dense


@on_behalf_of("retune")
def retune(
    model: Path | str,
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
    """Writes a converted model at another operating point.

    It takes the model back to the dense one, as `zaponnx.strip` does, and converts that: the result is what `convert`
    would have written; if the model was fine-tuned since, with its new weights, at thresholds from curves that were
    measured with the old ones. It is checked in the same way, against the dense model.

    Args:
        model: What `convert` or `retune` wrote.
        output: The file to write.
        epsilon, mac_saving, layout, tune, data, batch_size, preprocess, threads, providers, progress: As in
            `zaponnx.convert`. Without `tune`, what an earlier tuning left dense is converted again.

    Raises:
        InvalidArgument: As in `zaponnx.convert`.
        ModelError: The model cannot be read or run or is not converted, or was by a version that let it carry nothing
            to retune it with; or the check of the result failed.
        ArtifactError: What it carries is damaged, or the model was edited since.
        DataError, OutputError, RuntimeUnavailable: As in `zaponnx.convert`.
    """
    model, output = Path(model), Path(output)
    request = Request.of(epsilon, mac_saving, layout, tune, data, batch_size, preprocess, threads, providers)
    data_files = external_files(model, "retune")
    check_model_output(output, "retune", [model, *data_files, *request.files])
    proto = load_model(model, "retune")
    calibration, fit, hulls = read_artifacts(proto, "retune", str(model))
    finetuned = {name: value for name, value in read_metadata(proto).items() if name == FINETUNED}
    back_to_dense(proto, str(model))
    write_metadata(proto, finetuned)
    with temporary_model(proto, f"the dense model of {model}") as path:
        check_dense(path, str(model))
        with on_behalf_of("retune", str(model)):
            dense = DenseModel.of(path, proto, calibration, fit, hulls, model)
        return write_operating_point(dense, request, model, output, progress, external_data=bool(data_files))
