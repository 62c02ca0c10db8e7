"""What pack refuses, of arguments, models and measurements, and that it then leaves everything as it was."""

import shutil
from pathlib import Path

import onnx
import pytest

import zaponnx
from zaponnx.errors import ArtifactError, InvalidArgument, ModelError, OutputError


@pytest.mark.parametrize(
    ("native", "problem"),
    [
        (["win-x64"], "unknown platform 'win-x64'; use one of linux-x86_64, linux-aarch64"),
        (["linux-aarch64"], "has no library for linux-aarch64; --native linux-aarch64=FILE"),
        (["linux-x86_64=FILE"], "is no shared library for linux-x86_64"),
        (["linux-x86_64=nowhere"], "is no shared library for linux-x86_64"),
        (["linux-x86_64", "linux-x86_64"], "given twice"),
    ],
)
def test_native_libraries_that_cannot_be(small, tmp_path: Path, monkeypatch, native: list[str], problem: str) -> None:
    monkeypatch.setattr("zaponnx.packaging.native.this_platform", lambda: "linux-x86_64")
    asked = [each.replace("FILE", str(small.model)) for each in native]
    with pytest.raises(InvalidArgument, match=problem):
        zaponnx.pack([small.converted], tmp_path / "p", native=asked)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"models": []}, "no model is given"),
        ({"name": "../up"}, "'../up' cannot be a package's name"),
        ({"name": "aux"}, "'aux' cannot be"),
        ({"output": "näme"}, "cannot be a package's name; give --name"),
        ({"test_sets": 0}, "test-sets is 0"),
        ({"data": "what"}, "unknown data 'what'"),
        ({"output": "none/p"}, "there is no directory"),
        ({"output": "none/p.tar.gz"}, "there is no directory"),
        ({"output": "file"}, "is there already and no directory"),
        ({"output": "full"}, "is not just a package"),
        ({"output": "full/.."}, "is a directory without a name"),
    ],
)
def test_arguments_that_cannot_be(small, tmp_path: Path, everything, arguments: dict, problem: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "precious").write_text("mine")
    before = everything(tmp_path)
    output = tmp_path / arguments.pop("output", "p")
    with pytest.raises(InvalidArgument, match=problem):
        zaponnx.pack(**{"models": [small.converted], "output": output, **arguments})
    assert everything(tmp_path) == before


def test_names_must_differ(small, tmp_path: Path) -> None:
    for name in ("a/model.zap.onnx", "a/Point.onnx", "b/point.onnx", "b/model.onnx"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(small.converted, tmp_path / name)
    for pair in (
        ("a/model.zap.onnx", "b/model.onnx"),
        ("a/Point.onnx", "b/point.onnx"),
        ("b/point.onnx", "b/model.onnx"),
    ):
        with pytest.raises(InvalidArgument, match="would be there twice"):
            zaponnx.pack([tmp_path / name for name in pair], tmp_path / "p")


def test_points_of_different_models_are_refused(small, other_model: Path, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("o.zapcal", "o.zapfit.json", "o.zap.onnx")]
    zaponnx.calibrate(other_model, "random", files[0], samples=16, epochs=1, refine_steps=0)
    zaponnx.fit(files[0], files[1])
    zaponnx.convert(other_model, *files, mac_saving=0.1)
    with pytest.raises(ModelError, match="converted from different ones"):
        zaponnx.pack([small.converted, files[2]], tmp_path / "p")


def test_points_of_other_ports_are_refused(small, zap_model: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="'tiny' has other inputs than 'model'"):
        zaponnx.pack([small.converted, zap_model], tmp_path / "p")


def test_measurements_of_other_models_are_refused(material, small, tmp_path: Path) -> None:
    other = tmp_path / "other.zap.onnx"
    zaponnx.retune(small.converted, other, epsilon=1)
    for flag, file in (("eval", material.evaluation), ("bench", material.benchmark)):
        with pytest.raises(ArtifactError, match=f"{file.name}: is of none of the models; run zaponnx {flag}"):
            zaponnx.pack([other], tmp_path / "p", **{flag: [file]})


def test_a_report_of_another_model_is_refused(material, small, tmp_path: Path) -> None:
    other = tmp_path / "other.zap.onnx"
    zaponnx.retune(small.converted, other, epsilon=1)
    with pytest.raises(ArtifactError, match=r"mine\.html: is of none of the models; run zaponnx report"):
        zaponnx.pack([other], tmp_path / "p", report=material.report)
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"<!doctype html><title>Report</title>", "is no report; give the page that zaponnx report"),
        (b"# Report\n", "is no report"),
        (b"", "is no report"),
        (b"\xff\xfe<", "it is no text in UTF-8"),
        (b'<meta name="zaponnx-model-sha256" content="0">', "is no report"),
        (b'<meta name="zaponnx-model-sha256" content="%s">' % (b"0" * 64), "is of none of the models"),
    ],
)
def test_what_is_no_report_is_refused(small, tmp_path: Path, content: bytes, problem: str) -> None:
    page = tmp_path / "page.html"
    page.write_bytes(content)
    with pytest.raises(ArtifactError, match=problem):
        zaponnx.pack([small.converted], tmp_path / "p", report=page)
    assert list(tmp_path.iterdir()) == [page]


@pytest.mark.parametrize("flag", ["eval", "bench"])
def test_what_is_no_measurement_is_refused(material, tmp_path: Path, flag: str) -> None:
    (tmp_path / "m.json").write_text('{"models": []}')
    with pytest.raises(ArtifactError, match=f"give what zaponnx {flag} --json printed"):
        zaponnx.pack(material.models, tmp_path / "p", **{flag: [tmp_path / "m.json"]})


def test_unprintable_text_is_refused(small, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="'description' is not one line"):
        zaponnx.pack([small.converted], tmp_path / "p", description="two\nlines")
    assert list(tmp_path.iterdir()) == []


def test_a_model_whose_body_gives_something_else_is_not_packed(small, tmp_path: Path) -> None:
    """The test data are the body's; the library computes what ZapConv is defined to be."""
    model = onnx.load_model(small.converted)
    relu = next(node for node in model.functions[0].node if node.op_type == "Relu")
    relu.op_type = "Sigmoid"
    onnx.save_model(model, tmp_path / "wrong.onnx")
    with pytest.raises(ArtifactError, match=r"run by the library; at most 0.001 is accepted"):
        zaponnx.pack([tmp_path / "wrong.onnx"], tmp_path / "p")
    assert list(tmp_path.iterdir()) == [tmp_path / "wrong.onnx"]


def test_a_package_with_something_else_in_it_is_not_replaced(small, package: Path, everything) -> None:
    (package / "notes.txt").write_text("mine")
    before = everything(package.parent)
    with pytest.raises(InvalidArgument, match="is not just a package"):
        zaponnx.pack([small.converted], package)
    assert everything(package.parent) == before


def test_a_package_is_not_replaced_by_what_is_in_it(package: Path) -> None:
    with pytest.raises(InvalidArgument, match="the output has an input in it"):
        zaponnx.pack([package / "model.onnx"], package)
    assert (package / "model.onnx").is_file()


def test_a_directory_that_cannot_be_put_in_place_leaves_the_old_one(
    small, package: Path, monkeypatch, everything
) -> None:
    before = everything(package.parent)
    replace = Path.replace

    def fails(path: Path, target: Path) -> Path:
        if path.name == "new":
            raise OSError(28, "No space left on device")
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", fails)
    with pytest.raises(OutputError, match="cannot be written: No space left"):
        zaponnx.pack([small.converted], package)
    assert everything(package.parent) == before
