"""calibrate: from a model and images to a calibration file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from zaponnx.artifact_files import load_calibration
from zaponnx.calib.calibration import calibrate
from zaponnx.calib.curves import layer_curve
from zaponnx.calib.exporting import export
from zaponnx.errors import DataError, InvalidArgument, ModelError
from zaponnx.models import model_sha256


@pytest.fixture
def path(model: onnx.ModelProto, tmp_path: Path) -> Path:
    """The file of a model with the sites "middle" and "end"."""
    onnx.save_model(model, tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


@pytest.fixture
def images(tmp_path: Path) -> str:
    """A data SPEC of 42 smooth images of 12x12."""
    values = np.random.default_rng(0).standard_normal((42, 3, 3, 3)).astype(np.float32)
    np.savez(tmp_path / "images.npz", input=values.repeat(4, axis=2).repeat(4, axis=3))
    return f"npz:{tmp_path / 'images.npz'}"


def test_a_fourth_of_the_samples_is_measured_and_the_rest_trains(path: Path, images: str, tmp_path: Path) -> None:
    made = calibrate(path, images, tmp_path / "model.zapcal", epochs=2, refine_steps=0, batch_size=10, pattern="D")
    assert made.model_sha256 == model_sha256(path)
    assert made.pattern.spec == "D"
    assert [(site.name, site.output, site.samples) for site in made.sites] == [
        ("middle", "active", 10),
        ("end", "end_active", 10),
    ]
    for site in made.sites:
        assert site.outputs == 10 * site.channels * 12 * 12
        assert site.counts.sum() * 3 == site.outputs * 2  # D computes one third
    assert made.settings["samples"] == 42
    assert made.settings["epochs"] == 2


def test_the_file_is_what_is_returned(path: Path, images: str, tmp_path: Path) -> None:
    made = calibrate(path, images, tmp_path / "model.zapcal", epochs=1, refine_steps=0)
    read = load_calibration(tmp_path / "model.zapcal")
    assert read.settings == made.settings
    for first, second in zip(read.sites, made.sites, strict=True):
        assert np.array_equal(first.predictor.P2, second.predictor.P2)
        assert np.array_equal(first.values, second.values)


def test_the_seed_decides_everything(path: Path, images: str, tmp_path: Path) -> None:
    first, second, third = (
        calibrate(path, images, tmp_path / "model.zapcal", epochs=1, refine_steps=0, seed=seed).sites[0]
        for seed in (1, 1, 2)
    )
    assert np.array_equal(first.predictor.P1, second.predictor.P1)
    assert np.array_equal(first.values, second.values)
    assert not np.array_equal(first.predictor.P1, third.predictor.P1)


def test_training_predicts_better_than_no_training(path: Path, images: str, tmp_path: Path) -> None:
    """At an equal share of skipped work less is lost after ten epochs than after one."""
    lost = []
    for epochs in (1, 10):
        made = calibrate(path, images, tmp_path / "model.zapcal", epochs=epochs, refine_steps=0)
        curve = layer_curve(made.sites[0], made.edges)
        lost.append(float(np.interp(0.25 * curve.macs, curve.saved[0], curve.error[0])))
    assert lost[1] < 0.8 * lost[0]


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({"include": ["mid"]}, ["middle"]),
        ({"exclude": ["^mid"]}, ["end"]),
        ({"include_first": True}, ["stem", "middle", "end"]),
    ],
)
def test_sites_are_chosen_by_name(
    path: Path, images: str, tmp_path: Path, options: dict[str, Any], kept: list[str]
) -> None:
    made = calibrate(path, images, tmp_path / "model.zapcal", epochs=1, refine_steps=0, samples=4, **options)
    assert [site.name for site in made.sites] == kept


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"include": ["nothing"]}, "--include 'nothing' matches none of the sites: middle, end"),
        ({"exclude": ["nothing"]}, "--exclude 'nothing' matches none"),
        ({"include": ["("]}, r"--include '\(' is no regular expression"),
        ({"exclude": ["."]}, "include and exclude leave no site"),
        ({"preset": "best"}, "unknown preset 'best'; use one of default, quick"),
        ({"training": "best"}, "unknown training 'best'; use one of default, paper"),
        ({"epochs": 0}, "epochs is 0, and must be at least 1"),
        ({"pattern": "F"}, "unknown pattern 'F'"),
        ({"pattern": "B,"}, "unknown pattern ''; use A to E or rows of 0 and 1 such as 10/01; between several, commas"),
        ({"pattern": "1,D"}, "pattern 1 leaves nothing to skip; leave it out"),
        ({"output": Path("nowhere") / "model.zapcal"}, "there is no directory 'nowhere'"),
    ],
)
def test_arguments_that_cannot_be_right(
    path: Path, images: str, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidArgument, match=message):
        calibrate(path, images, **{"output": tmp_path / "model.zapcal", **options})
    assert not (tmp_path / "model.zapcal").exists()


def test_too_few_samples(path: Path, images: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="3 samples are too few: every 4th is held out"):
        calibrate(path, images, tmp_path / "model.zapcal", samples=3)
    assert not (tmp_path / "model.zapcal").exists()


def test_nan_in_the_data_names_the_first_site(path: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "nan.npz", input=np.full((8, 3, 6, 6), np.nan, np.float32))
    with pytest.raises(DataError, match="middle: the output has NaN"):
        calibrate(path, f"npz:{tmp_path / 'nan.npz'}", tmp_path / "model.zapcal")


def test_a_model_without_sites(path: Path, images: str, tmp_path: Path) -> None:
    model = onnx.load_model(path)
    for node in model.graph.node:
        node.op_type = "Tanh" if node.op_type == "Relu" else node.op_type
    onnx.save_model(model, path)
    with pytest.raises(ModelError, match="the model has no place for a predictor: 3 Conv nodes were refused"):
        calibrate(path, images, tmp_path / "model.zapcal")


@pytest.mark.parametrize("batch", [1, 4])
def test_a_fixed_batch(model: onnx.ModelProto, path: Path, images: str, tmp_path: Path, batch: int) -> None:
    """Runs, and measures what a dynamic batch does: the same samples, by predictors that differ by their training."""
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = batch
    onnx.save_model(model, tmp_path / "fixed.onnx")
    fixed, dynamic = (
        calibrate(file, images, tmp_path / "model.zapcal", samples=40, epochs=1, refine_steps=0)
        for file in (tmp_path / "fixed.onnx", path)
    )
    assert fixed.settings == dynamic.settings
    for ours, theirs in zip(fixed.sites, dynamic.sites, strict=True):
        assert (ours.samples, ours.outputs) == (theirs.samples, theirs.outputs) == (10, 10 * ours.channels * 12 * 12)
        assert ours.total_value == pytest.approx(theirs.total_value, rel=1e-6)


def test_an_export_with_a_static_batch(images: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "static_network.py").write_text(
        "from torch.nn import Conv2d, ReLU, Sequential\n"
        "def make():\n    return Sequential(Conv2d(3, 4, 3), ReLU(), Conv2d(4, 6, 3), ReLU())\n"
    )
    monkeypatch.chdir(tmp_path)
    export("static_network:make", Path("model.onnx"), input_shape=(4, 3, 12, 12), static_batch=True)
    monkeypatch.setattr("zaponnx.calib.refining.Refiner.gain", lambda *_: 1.0)  # whatever two steps give
    made = calibrate(Path("model.onnx"), images, Path("model.zapcal"), samples=40, epochs=1, refine_steps=2)
    assert made.settings["refine_steps"] == 2
    assert [(site.channels, site.samples, site.outputs) for site in made.sites] == [(6, 10, 10 * 6 * 8 * 8)]


@pytest.mark.parametrize(("batch_size", "step_samples"), [(128, 15), (12, 12), (4, 4)])
def test_steps_are_as_large_as_the_batch_but_32_a_pass(
    path: Path, tmp_path: Path, batch_size: int, step_samples: int
) -> None:
    """Of 640 samples 480 train."""
    np.savez(tmp_path / "many.npz", input=np.random.default_rng(0).random((640, 3, 4, 4), np.float32))
    spec = f"npz:{tmp_path / 'many.npz'}"
    made = calibrate(path, spec, tmp_path / "model.zapcal", epochs=1, refine_steps=0, batch_size=batch_size)
    assert (made.settings["batch_size"], made.settings["step_samples"]) == (batch_size, step_samples)
    few = calibrate(path, spec, tmp_path / "model.zapcal", epochs=1, refine_steps=0, batch_size=batch_size, samples=40)
    assert few.settings["step_samples"] == min(8, batch_size)


def test_steps_are_as_large_as_the_batch_where_the_number_of_samples_is_unknown(path: Path, tmp_path: Path) -> None:
    (tmp_path / "data.py").write_text(
        "import numpy as np\ndef f():\n    yield {'input': np.ones((40, 3, 4, 4), np.float32)}\n"
    )
    made = calibrate(path, f"py:{tmp_path / 'data.py'}:f", tmp_path / "model.zapcal", epochs=1, refine_steps=0)
    assert made.settings["step_samples"] == 128


def test_progress_counts_samples_per_pass(path: Path, images: str, tmp_path: Path) -> None:
    told: list[tuple[str, int, int | None]] = []
    calibrate(
        path,
        images,
        tmp_path / "model.zapcal",
        epochs=1,
        samples=20,
        batch_size=16,
        refine_steps=0,
        progress=lambda step, done, total: told.append((step, done, total)),
    )
    training, measuring = "training the predictors, epoch 1/1", "measuring the curves"
    assert told[:4] == [(training, 16, 20), (training, 20, 20), (measuring, 16, 20), (measuring, 20, 20)]
    assert told[4:] == [("measuring what the layers' errors do", site, 2) for site in (1, 2)]
