"""What a model says of itself: reads its file, gives the Description that the manifest has and that must be true."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import onnx

from zaponnx.carried import CARRIED
from zaponnx.errors import ArtifactError, ModelError
from zaponnx.graph.converted import read_metadata
from zaponnx.graph.upgrading import opset_version
from zaponnx.json_fields import Fields
from zaponnx.models import external_files, load_model
from zaponnx.packaging.manifest import ChosenPoint, Description, Port


def describe(path: Path, phase: str) -> Description:
    """Reads and checks a model, and gives what it says of itself.

    Raises:
        ModelError: It cannot be read, is not valid, or has inputs or outputs other than tensors.
        ArtifactError: What it records of its operating point is damaged.
    """
    model = load_model(path, phase)
    metadata = read_metadata(model)
    constants = {tensor.name for tensor in model.graph.initializer}
    constants |= {tensor.values.name for tensor in model.graph.sparse_initializer}
    return Description(
        opset=opset_version(model, phase),
        ir_version=model.ir_version,
        external_data=tuple(file.relative_to(path.parent).as_posix() for file in external_files(path, phase)),
        inputs=_ports((value for value in model.graph.input if value.name not in constants), path, phase),
        outputs=_ports(model.graph.output, path, phase),
        operating_point=_point(metadata, path, phase) if "epsilon" in metadata else None,
        provenance={key: value for key, value in metadata.items() if key not in CARRIED},
    )


def check_description(path: Path, said: Description, phase: str) -> None:
    """Checks that a model is what a manifest says of it.

    Errors as in `describe`; and ArtifactError: It is something else.
    """
    found = describe(path, phase)
    for key, value in vars(found).items():
        if value != getattr(said, key):
            raise ArtifactError(phase, f"its {key} is not what the manifest says", where=str(path))


def _ports(values: Iterable[onnx.ValueInfoProto], path: Path, phase: str) -> tuple[Port, ...]:
    ports = []
    for value in values:
        if not value.type.HasField("tensor_type"):
            raise ModelError(phase, f"'{value.name}' is no tensor, and test data hold nothing else", where=str(path))
        tensor = value.type.tensor_type
        name = onnx.TensorProto.DataType.Name(tensor.elem_type).lower()
        ports.append(Port(value.name, f"tensor({name})", tuple(map(_dim, tensor.shape.dim))))
    return tuple(ports)


def _dim(dim: onnx.TensorShapeProto.Dimension) -> int | str | None:
    return dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None


def _point(metadata: Mapping[str, str], path: Path, phase: str) -> ChosenPoint:
    """The operating point that `convert` recorded."""
    values: dict[str, float | str] = {}
    for key in ("epsilon", "error", "mac_saved"):
        text = metadata.get(key, "")
        try:
            values[key] = float(text)
        except ValueError:
            values[key] = text  # and so refused
    fields = Fields(values, phase, f"{path}, metadata", "zaponnx.")
    return ChosenPoint(fields.number("epsilon", 0), fields.number("error", 0), fields.number("mac_saved", 0, 1))
