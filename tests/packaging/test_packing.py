"""pack: what is in a package, and that the same content gives the same bytes."""

import json
import os
import shutil
import tarfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import zaponnx
from zaponnx.errors import InvalidArgument
from zaponnx.models import load_model, model_sha256, save_model
from zaponnx.packaging.native import this_platform
from zaponnx.runtime import library_path

FILES = {
    "manifest.json",
    "README.md",
    "report.html",
    "model.onnx",
    "careful.onnx",
    "weights.data",
    "test_data_set_0/input_0.pb",
    "test_data_set_0/output_0.pb",
    "points/careful/test_data_set_0/input_0.pb",
    "points/careful/test_data_set_0/output_0.pb",
}


def files(package: Path) -> set[str]:
    return {path.relative_to(package).as_posix() for path in package.rglob("*") if path.is_file()}


def manifest(package: Path) -> dict:
    return json.loads((package / "manifest.json").read_text())


def test_a_package_has_these_files(package: Path) -> None:
    assert files(package) == FILES


def test_an_archive_has_the_same_in_one_folder(package: Path, archive: Path) -> None:
    with tarfile.open(archive) as tar:
        names = tar.getnames()
        assert names[0] == "tiny/manifest.json"
        assert names[1:] == sorted(f"tiny/{name}" for name in FILES - {"manifest.json"})
        for member in tar.getmembers():
            content = tar.extractfile(member).read()
            assert content == (package.parent / member.name).read_bytes()


def test_the_same_content_gives_the_same_bytes(material, archive: Path, tmp_path: Path) -> None:
    """At another time, in another place, for a user with another umask, and out of files of other times."""
    moved = [Path(shutil.copyfile(path, tmp_path / path.name)) for path in material.models]
    os.utime(moved[0], (1, 1))
    (tmp_path / "elsewhere").mkdir()
    again = tmp_path / "elsewhere" / "tiny.tar.gz"
    umask = os.umask(0o077)
    try:
        type(material)(tuple(moved), material.evaluation, material.benchmark, material.report).pack(again)
    finally:
        os.umask(umask)
    assert again.read_bytes() == archive.read_bytes()
    assert again.with_name("tiny.tar.gz") != archive


def test_operating_points_share_their_weights(material, package: Path) -> None:
    """Each initializer of more than 1 KiB is in the file once, with the values that the models had."""
    locations = []
    for source, name in zip(material.models, ("model.onnx", "careful.onnx"), strict=True):
        packed = onnx.load_model(package / name, load_external_data=False)
        external = {tensor.name: tensor for tensor in packed.graph.initializer if tensor.external_data}
        locations.append({name: sorted((e.key, e.value) for e in t.external_data) for name, t in external.items()})
        loaded, original = onnx.load_model(package / name), onnx.load_model(source)
        for found, expected in zip(loaded.graph.initializer, original.graph.initializer, strict=True):
            np.testing.assert_array_equal(numpy_helper.to_array(found), numpy_helper.to_array(expected))
    assert locations[0] == locations[1]
    assert "W1" in locations[0]
    assert (package / "weights.data").stat().st_size < 2 * 8 * 8 * 9 * 4


def test_a_packed_point_can_be_retuned(package: Path, tmp_path: Path) -> None:
    zaponnx.retune(package / "careful.onnx", tmp_path / "again.onnx", epsilon=0.1)
    assert zaponnx.inspect(tmp_path / "again.onnx").converted


def test_a_single_model_is_packed_as_it_is(small, tmp_path: Path) -> None:
    zaponnx.pack([small.converted], tmp_path / "one")
    assert (tmp_path / "one" / "model.onnx").read_bytes() == small.converted.read_bytes()
    assert not (tmp_path / "one" / "weights.data").exists()


def test_external_data_is_packed_too(small, tmp_path: Path) -> None:
    save_model(load_model(small.converted, "test"), tmp_path / "m.zap.onnx", external_data=True)
    zaponnx.pack([tmp_path / "m.zap.onnx"], tmp_path / "one")
    assert manifest(tmp_path / "one")["models"][0]["external_data"] == ["weights.data"]
    zaponnx.verify(tmp_path / "one")


def test_a_dense_model_can_be_a_point(small, tmp_path: Path) -> None:
    zaponnx.pack([small.converted, shutil.copyfile(small.model, tmp_path / "dense.onnx")], tmp_path / "both")
    assert [model["operating_point"] is None for model in manifest(tmp_path / "both")["models"]] == [False, True]


def test_every_tensor_of_the_test_data_is_named(package: Path) -> None:
    for directory in (package, package / "points" / "careful"):
        for file, name in (("input_0.pb", "input"), ("output_0.pb", "output")):
            assert onnx.load_tensor(directory / "test_data_set_0" / file).name == name


def test_test_data_of_the_users_own(small, tmp_path: Path) -> None:
    images = np.random.default_rng(0).normal(size=(3, 3, 12, 12)).astype(np.float32)
    np.savez(tmp_path / "images.npz", input=images)
    zaponnx.pack([small.converted], tmp_path / "p", data=f"npz:{tmp_path / 'images.npz'}", test_sets=3)
    for index in range(3):
        tensor = onnx.load_tensor(tmp_path / "p" / f"test_data_set_{index}" / "input_0.pb")
        np.testing.assert_array_equal(numpy_helper.to_array(tensor), images[index : index + 1])
    assert manifest(tmp_path / "p")["test_inputs"] == "npz:images.npz"
    with pytest.raises(InvalidArgument, match="3 samples, for 4 test sets"):
        zaponnx.pack([small.converted], tmp_path / "q", data=f"npz:{tmp_path / 'images.npz'}", test_sets=4)
    assert not (tmp_path / "q").exists()


def test_the_manifest_describes_the_models(material, package: Path) -> None:
    bold, careful = manifest(package)["models"]
    assert (bold["name"], careful["name"]) == ("bold", "careful")
    assert bold["source_sha256"] == model_sha256(material.models[0])
    assert (bold["opset"], bold["ir_version"]) == (17, 8)
    assert bold["inputs"] == [{"name": "input", "type": "tensor(float)", "shape": ["N", 3, 12, 12]}]
    assert bold["outputs"] == [{"name": "output", "type": "tensor(float)", "shape": ["N", 5]}]
    inspection = zaponnx.inspect(material.models[1])
    assert careful["operating_point"]["epsilon"] == float(inspection.metadata["epsilon"])
    assert careful["provenance"] == dict(inspection.metadata)


def test_the_manifest_has_what_was_measured(material, package: Path) -> None:
    bold, careful = manifest(package)["models"]
    evaluated = json.loads(material.evaluation.read_text())["models"]
    assert bold["accuracy"]["mac_saved"] == evaluated[1]["mac_saved"]
    assert careful["accuracy"]["mac_saved"] == evaluated[2]["mac_saved"]
    assert bold["speed"]["runs"] == json.loads(material.benchmark.read_text())["runs"]
    assert careful["speed"] is None


def test_a_native_library_is_packed_if_asked_for(small, tmp_path: Path) -> None:
    other = tmp_path / "arm.so"
    other.write_bytes(b"\x7fELF" + bytes(14) + (183).to_bytes(2, "little") + bytes(44))
    packed = zaponnx.pack([small.converted], tmp_path / "p", native=[this_platform(), f"linux-aarch64={other}"])
    library = tmp_path / "p" / "lib" / this_platform() / "libzaponnx_ops.so"
    assert library.read_bytes() == library_path().read_bytes()
    assert (tmp_path / "p" / "lib" / "linux-aarch64" / "libzaponnx_ops.so").read_bytes() == other.read_bytes()
    assert "package's library" in packed.check.models[0].ran


def test_a_package_is_replaced(small, material, package: Path) -> None:
    zaponnx.pack([small.converted], package)
    assert files(package) == {name for name in FILES if "careful" not in name} - {"report.html", "weights.data"}
    assert list(package.parent.iterdir()) == [package]
