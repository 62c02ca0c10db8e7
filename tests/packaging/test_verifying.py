"""verify: what is run, and that a package that does not give what it says is refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import zaponnx
from zaponnx.errors import ArtifactError, InvalidArgument, ModelError, RuntimeUnavailable
from zaponnx.packaging.native import this_platform
from zaponnx.runtime import library_path

OUTPUT = Path("test_data_set_0", "output_0.pb")
INPUT = Path("test_data_set_0", "input_0.pb")


def edit_tensor(path: Path, edit: Callable[[onnx.TensorProto], object]) -> None:
    tensor = onnx.load_tensor(path)
    edit(tensor)
    onnx.save_tensor(tensor, path)


def test_it_runs_every_model_without_the_library_and_with_it(package: Path, archive: Path) -> None:
    for each in (package, archive):
        check = zaponnx.verify(each, providers=["cpu"])
        assert [(model.name, model.ran) for model in check.models] == [
            ("bold", ("function bodies", "library")),
            ("careful", ("function bodies", "library")),
        ]
        assert check.providers == ("CPUExecutionProvider",)
        assert 0 <= max(model.difference for model in check.models) < 1e-5


def test_it_changes_nothing(package: Path, everything) -> None:
    before = everything(package.parent)
    zaponnx.verify(package)
    assert everything(package.parent) == before


def test_without_the_library_the_bodies_are_run(package: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(zaponnx, "__path__", [str(tmp_path)])
    assert zaponnx.verify(package).models[0].ran == ("function bodies",)


def test_outputs_that_test_nothing_are_refused(package: Path, reseal) -> None:
    expected = numpy_helper.to_array(onnx.load_tensor(package / OUTPUT))
    onnx.save_tensor(numpy_helper.from_array(np.full_like(expected, np.nan), "output"), package / OUTPUT)
    reseal(package)
    with pytest.raises(ArtifactError, match="no expected output has a finite value, so that it tests nothing"):
        zaponnx.verify(package)


@pytest.mark.parametrize("output", [OUTPUT, Path("points", "careful", OUTPUT)])
def test_another_output_is_refused(package: Path, reseal, output: Path) -> None:
    expected = numpy_helper.to_array(onnx.load_tensor(package / output))
    wrong = expected.copy()
    wrong.flat[0] += 0.002 * np.abs(expected).max()
    onnx.save_tensor(numpy_helper.from_array(wrong, "output"), package / output)
    reseal(package)
    with pytest.raises(ArtifactError, match=r"'output' differs by 2\.0e-03 of its largest value, run by the function"):
        zaponnx.verify(package)
    assert zaponnx.verify(package, tolerance=0.003).tolerance == 0.003


def test_a_library_that_computes_something_else_is_noticed(small, tmp_path: Path, monkeypatch) -> None:
    """The test data are those of the function bodies, which are not ZapConv's here: it sees that they are two."""
    model = onnx.load_model(small.converted)
    next(node for node in model.functions[0].node if node.op_type == "Relu").op_type = "Sigmoid"
    onnx.save_model(model, tmp_path / "wrong.onnx")
    with monkeypatch.context() as without_library:
        without_library.setattr("zaponnx.packaging.checking.has_library", lambda: False)
        zaponnx.pack([tmp_path / "wrong.onnx"], tmp_path / "p")
    with pytest.raises(ArtifactError, match=r"run by the library; at most 0.001 is accepted"):
        zaponnx.verify(tmp_path / "p")


@pytest.mark.parametrize(
    ("place", "edit", "problem"),
    [
        (INPUT, lambda tensor: setattr(tensor, "name", "x"), "is 'x', a tensor.float., and not 'input'"),
        (INPUT, lambda tensor: tensor.ClearField("name"), "is '', a tensor.float., and not 'input'"),
        (OUTPUT, lambda tensor: setattr(tensor, "data_type", 7), "it has 20 bytes of data in place of 40"),
        (OUTPUT, lambda tensor: setattr(tensor, "data_type", 6), "a tensor.int32., and not 'output', a tensor.float."),
        (OUTPUT, lambda tensor: setattr(tensor, "data_type", 99), "tensor.data_type is the unknown type 99"),
        (OUTPUT, lambda tensor: tensor.dims.append(1), "has 3 dims, and not 2"),
        (INPUT, lambda tensor: tensor.dims.append(2**40), "bytes of data in place of"),
        (
            INPUT,
            lambda tensor: onnx.external_data_helper.set_external_data(tensor, "/etc/passwd", 0, 1728),
            "keeps its values in another file",
        ),
    ],
)
def test_test_data_of_other_tensors_is_refused(package: Path, reseal, place: Path, edit, problem: str) -> None:
    edit_tensor(package / place, edit)
    reseal(package)
    with pytest.raises(ArtifactError, match=problem):
        zaponnx.verify(package)


def test_a_pickle_is_not_read(package: Path, reseal) -> None:
    (package / INPUT).write_bytes(b"\x80\x04.")  # which protobuf takes for an unknown field
    reseal(package)
    with pytest.raises(ArtifactError, match=r"input_0.pb: is '', a tensor.undefined., and not 'input'"):
        zaponnx.verify(package)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("opset", 18),
        ("ir_version", 9),
        ("outputs", [{"name": "output", "type": "tensor(float)", "shape": ["N", 6]}]),
        ("operating_point", None),
        ("provenance", {}),
    ],
)
def test_models_are_what_the_manifest_says(package: Path, edit_manifest, key: str, value: object) -> None:
    edit_manifest(package, lambda manifest: manifest["models"][0].update({key: value}))
    for read in (lambda: zaponnx.verify(package), lambda: zaponnx.unpack(package, package.parent / "out")):
        with pytest.raises(ArtifactError, match=f"model.onnx: its {key} is not what the manifest says"):
            read()
    assert not (package.parent / "out").exists()


def test_a_model_that_is_not_valid_is_refused(package: Path, reseal) -> None:
    model = onnx.load_model(package / "model.onnx", load_external_data=False)
    model.graph.node[0].op_type = "Convolve"
    onnx.save_model(model, package / "model.onnx")
    reseal(package)
    with pytest.raises(ModelError, match="not a valid ONNX model"):
        zaponnx.verify(package)


def test_a_converted_model_needs_its_function_bodies(package: Path, reseal) -> None:
    """Since otherwise it does not run without the library."""
    model = onnx.load_model(package / "model.onnx", load_external_data=False)
    del model.functions[:]
    onnx.save_model(model, package / "model.onnx")
    reseal(package)
    with pytest.raises(ModelError, match=r"ONNX Runtime refuses it|not a valid"):
        zaponnx.verify(package)


@pytest.fixture
def native(small, tmp_path: Path) -> Path:
    """A package with the library of this machine."""
    zaponnx.pack([small.converted], tmp_path / "native", native=[this_platform()])
    return tmp_path / "native"


def replace_library(package: Path, content: bytes) -> None:
    """Puts another file there: this process has the old one mapped into its memory."""
    library = package / "lib" / this_platform() / "libzaponnx_ops.so"
    library.unlink()
    library.write_bytes(content)


def test_a_native_library_must_be_allowed(native: Path, tmp_path: Path) -> None:
    zaponnx.pack([native / "model.onnx"], tmp_path / "native.tar.gz", native=[this_platform()])
    for package in (native, tmp_path / "native.tar.gz"):
        for read in (lambda p: zaponnx.verify(p), lambda p: zaponnx.unpack(p, tmp_path / "out")):
            with pytest.raises(ArtifactError, match=f"has native libraries, for {this_platform()}.*; --allow-native"):
                read(package)
        assert not (tmp_path / "out").exists()
        zaponnx.unpack(package, tmp_path / "out", allow_native=True)
        shutil.rmtree(tmp_path / "out")


def test_an_allowed_library_is_run(native: Path) -> None:
    check = zaponnx.verify(native, allow_native=True)
    assert check.models[0].ran == ("function bodies", "library", "package's library")


def test_a_library_of_another_platform_is_not_run(small, tmp_path: Path) -> None:
    other = tmp_path / "other.so"
    other.write_bytes(b"\x7fELF" + bytes(14) + (183).to_bytes(2, "little") + bytes(44))
    zaponnx.pack([small.converted], tmp_path / "p", native=[f"linux-aarch64={other}"])
    assert zaponnx.verify(tmp_path / "p", allow_native=True).models[0].ran == ("function bodies", "library")


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"\x7fELF" + bytes(60), b"#!/bin/sh\nexit 0\n" * 4])
def test_what_is_no_library_is_refused_though_allowed(native: Path, reseal, content: bytes) -> None:
    replace_library(native, content or b"\0")
    reseal(native)
    for read in (
        lambda: zaponnx.verify(native, allow_native=True),
        lambda: zaponnx.unpack(native, native.parent / "out", allow_native=True),
    ):
        with pytest.raises(ArtifactError, match=f"is no shared library for {this_platform()}"):
            read()


def test_a_library_that_does_not_load_is_named(native: Path, reseal) -> None:
    header = library_path().read_bytes()[:64]
    replace_library(native, header[:40] + bytes(24))  # without sections and segments
    reseal(native)
    with pytest.raises(RuntimeUnavailable, match="the library does not load"):
        zaponnx.verify(native, allow_native=True)


def test_a_provider_that_is_not_there(package: Path) -> None:
    with pytest.raises(InvalidArgument, match="verify: unknown provider 'tpu'"):
        zaponnx.verify(package, providers=["tpu"])


@pytest.mark.parametrize("tolerance", [-1, float("nan")])
def test_tolerances_that_are_none(package: Path, tolerance: float) -> None:
    with pytest.raises(InvalidArgument, match="the tolerance is"):
        zaponnx.verify(package, tolerance=tolerance)
