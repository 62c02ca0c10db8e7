"""Errors name the command that the user ran, and files that are there to be looked at."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

import zaponnx
from zaponnx.errors import ArtifactError, ModelError, calling, on_behalf_of
from zaponnx.models import staged_model, temporary_model


@pytest.mark.parametrize(("own", "expected"), [("", "m.onnx"), ("node 'a'", "node 'a'")])
def test_a_shared_step_speaks_for_the_command(own: str, expected: str) -> None:
    with pytest.raises(ArtifactError) as caught, on_behalf_of("retune", "m.onnx"):
        raise ArtifactError("convert", "it is bad", where=own, remedy="mend it")
    assert str(caught.value) == f"retune: {expected}: it is bad; mend it"


def test_a_file_by_another_name() -> None:
    with pytest.raises(ModelError) as caught, calling(Path("/tmp/x.onnx"), "the model"):
        raise ModelError("convert", "/tmp/x.onnx.data is missing", where="/tmp/x.onnx", remedy="mend it")
    assert str(caught.value) == "convert: the model: the model.data is missing; mend it"


def test_temporary_files_are_not_named(dense_model: Path, tmp_path: Path) -> None:
    model, output = onnx.load_model(dense_model), tmp_path / "out.onnx"
    for block, name in (
        (temporary_model(model), "the model"),
        (temporary_model(model, "the dense model of a.onnx"), "the dense model of a.onnx"),
        (staged_model(model, output), f"the result for {output}"),
    ):
        with pytest.raises(ModelError) as caught, block as path:
            raise ModelError("convert", "it is bad", where=str(path))
        assert str(caught.value) == f"convert: {name}: it is bad"


@pytest.mark.parametrize("command", ["inspect", "calibrate"])
def test_contradicting_types_name_command_and_file(tmp_path: Path, command: str) -> None:
    """The checker does not see them."""
    text = """<ir_version: 8, opset_import: ["": 17]> net (float[1,4,8,8] x, double[1,4,8,8] z) => (float[1,4,8,8] y) {
        a = Add(x, z) y = Relu(a) }"""
    path = tmp_path / "m.onnx"
    onnx.save_model(onnx.parser.parse_model(text), path)
    with pytest.raises(ModelError) as caught:
        zaponnx.inspect(path) if command == "inspect" else zaponnx.calibrate(path, "random", tmp_path / "m.zapcal")
    assert str(caught.value).startswith(f"{command}: {path}: its types or shapes contradict each other: ")
