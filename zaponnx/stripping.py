"""strip: reads a converted model, writes the dense model that it was converted from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import onnx

from zaponnx.carried import read_originals
from zaponnx.errors import ModelError, on_behalf_of
from zaponnx.graph.converted import drop_metadata, zap_convs
from zaponnx.graph.originals import restore
from zaponnx.models import check_model_output, external_files, first_line, load_model, staged_model
from zaponnx.verification import Verification, verify


@dataclass(frozen=True)
class StripReport:
    """What `strip` did.

    Attributes:
        model, output: The converted model and the dense one.
        stripped: How many ZapConvs became dense nodes again.
        verification: How the dense model was compared with the converted one.
    """

    model: Path
    output: Path
    stripped: int
    verification: Verification

    def to_json(self) -> dict[str, Any]:
        """The report as JSON has it: paths as strings."""
        return asdict(self) | {"model": str(self.model), "output": str(self.output)}


@on_behalf_of("strip")
def strip(model: Path | str, output: Path | str) -> StripReport:
    """Writes the dense model that a converted one came from.

    Nodes, tensors and metadata are those of the original. What `convert` had to upgrade stays so, and what it folded
    into convolutions, batch norms for example. The result is checked before it appears at `output`: by onnx.checker and
    strict shape inference, and by comparing it with the converted model, with that one's thresholds at −∞.

    Args:
        model: What `convert` or `retune` wrote.
        output: The file to write.

    Raises:
        InvalidArgument: The output cannot be written or is the model.
        ModelError: The model cannot be read or run or is not converted, or was by a version that let it carry nothing
            to strip it with; or the check of the result failed.
        ArtifactError: What it carries is damaged.
        OutputError: The system does not let the file be written.
        RuntimeUnavailable: ONNX Runtime, which the check needs, is not installed.
    """
    model, output = Path(model), Path(output)
    data_files = external_files(model, "strip")
    check_model_output(output, "strip", [model, *data_files])
    proto = load_model(model, "strip")
    stripped = len(zap_convs(proto))
    back_to_dense(proto, str(model))
    with staged_model(proto, output, "strip", external_data=bool(data_files)) as staged:
        check_dense(staged, str(model))
        with on_behalf_of("strip", remedy="take the original model, or convert it again"):
            verification = verify(staged, model)
    return StripReport(model, output, stripped, verification)


def back_to_dense(model: onnx.ModelProto, where: str) -> None:
    """Makes a converted model the dense one again.

    Args:
        model: The model; changed in place.
        where: Its file, for error messages.

    Raises:
        ModelError: It is not converted, or carries nothing.
        ArtifactError: What it carries is damaged.
    """
    found = read_originals(model, "strip", where)
    drop_metadata(model)
    restore(model, found)


def check_dense(dense: Path, where: str) -> None:
    """Checks the dense model that was made of a converted one, which may have been edited since.

    Raises:
        ModelError: It is not valid.
    """
    try:
        onnx.checker.check_model(str(dense), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        problem = f"its dense nodes do not go with the rest of it any more: {first_line(error)}"
        raise ModelError("strip", problem, where=where, remedy="convert the original model again") from error
