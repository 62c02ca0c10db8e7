"""fit that chooses a point: what is refused, of arguments, models and data; nothing is written then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.calib.choosing.stand_ins import left
from zaponnx.calib.fitting import fit
from zaponnx.errors import ArtifactError, DataError, InvalidArgument, ModelError


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"model": "MODEL"}, "--model is for choosing a point only"),
        ({"epsilon": 0.1, "data": "random"}, "--data is for max-drop, latency and min-latency only"),
        ({"epsilon": 0.1, "split": "test"}, "--split is for"),
        ({"epsilon": 0.1, "max_drop": 0.1}, "epsilon and max-drop are given"),
        ({"max_drop": 0.1}, "need models to be run; give the dense model with --model, and data with --data"),
        ({"latency": 1.0, "model": "MODEL"}, "need models to be run"),
        ({"max_drop": 0.1, "model": "MODEL", "data": "random", "threads": 1}, "--threads is for latency"),
        ({"latency": 1.0, "model": "MODEL", "data": "random", "samples": 1}, "--samples is for max-drop only"),
        ({"latency": 1.0, "model": "MODEL", "data": "random", "workers": 1}, "--workers is for max-drop only"),
        ({"latency": 1.0, "model": "MODEL", "data": "random", "threads": 0}, "number of threads is 0"),
        ({"latency": 1.0, "model": "MODEL", "data": "random", "method": "sigmoid"}, "'sigmoid' does not go by time"),
        ({"max_drop": 0.1, "model": "MODEL", "data": "tarot"}, "unknown data 'tarot'"),
        ({"latency": 1.0, "model": "MODEL", "data": "random", "split": "middle"}, "unknown split 'middle'"),
        ({"min_latency": True, "model": "MODEL", "data": "random"}, "min-latency needs one limit"),
    ],
)
def test_arguments_that_do_not_go_together(
    calibration: Path, small, tmp_path: Path, options: dict[str, Any], problem: str
) -> None:
    options = {name: small.model if value == "MODEL" else value for name, value in options.items()}
    with pytest.raises(InvalidArgument, match=problem) as caught:
        fit(calibration, tmp_path / "m.zapfit.json", **options)
    assert str(caught.value).startswith("fit: ")
    assert left(tmp_path) == []


def test_models_that_do_not_suit(calibration: Path, by_drop, small, other_model: Path) -> None:
    with pytest.raises(ArtifactError, match=r"model.zapcal: it belongs to another model than .*other.onnx; give the"):
        fit(**by_drop | {"model": other_model}, max_drop=0.1)
    with pytest.raises(ArtifactError, match="it belongs to another model"):
        fit(**by_drop | {"model": small.converted}, max_drop=0.1)
    with pytest.raises(ArtifactError, match="it belongs to another model"):
        fit(calibration, by_drop["output"], model=other_model, epsilon=0.1)
    with pytest.raises(ModelError, match=r"^fit: .*held.npz"):
        fit(**by_drop | {"model": Path(by_drop["data"].partition(":")[2])}, max_drop=0.1)
    assert not by_drop["output"].exists()


@pytest.mark.parametrize("spec", ["random", "npz", "images"])
def test_data_without_labels_are_refused(by_drop, tmp_path: Path, spec: str) -> None:
    """Images without a folder per class among them."""
    if spec == "images":
        Image.new("RGB", (12, 12)).save(tmp_path / "picture.png")
        spec = f"images:{tmp_path}"
    if spec == "npz":
        np.savez(tmp_path / "none.npz", input=np.zeros((4, 3, 12, 12), np.float32))
        spec = f"npz:{tmp_path / 'none.npz'}"
    with pytest.raises(DataError, match=r"^fit: .*there are no labels, and max-drop is about accuracy; give im"):
        fit(**by_drop | {"data": spec}, max_drop=0.1)
    assert not by_drop["output"].exists()


def test_nan_in_the_data_is_refused(by_drop, tmp_path: Path) -> None:
    np.savez(tmp_path / "nan.npz", input=np.full((4, 3, 12, 12), np.nan, np.float32), labels=np.zeros(4, np.int64))
    with pytest.raises(DataError, match=r"^fit: .*its scores are not numbers"):
        fit(**by_drop | {"data": f"npz:{tmp_path / 'nan.npz'}"}, max_drop=0.1)
    assert left(tmp_path) == ["held.npz", "nan.npz"]


def test_a_single_sample_and_a_batch_that_is_larger(by_drop, tmp_path: Path) -> None:
    """Accuracy is measured on whatever there is; times need a whole batch. These models are really run."""
    np.savez(tmp_path / "one.npz", input=np.ones((1, 3, 12, 12), np.float32), labels=np.zeros(1, np.int64))
    data = f"npz:{tmp_path / 'one.npz'}"
    found = fit(**by_drop | {"data": data}, max_drop=1.0, batch_size=1000)
    assert (found.chosen.data.samples, found.chosen.point) == (1, found.points[-1])
    with pytest.raises(DataError, match=r"^fit: .*one.npz: there are fewer than 2 samples; give more data"):
        fit(**by_drop | {"data": data}, latency=1.0, batch_size=2)


def test_inputs_and_tables_are_not_written_over(calibration: Path, by_time, small) -> None:
    with pytest.raises(InvalidArgument, match="the output is also an input"):
        fit(**by_time | {"output": small.model}, latency=8.0)
    with pytest.raises(InvalidArgument, match="the output is also an input"):
        fit(**by_time | {"costs": by_time["output"]}, latency=8.0)
    with pytest.raises(InvalidArgument, match="the output is also an input"):
        fit(**by_time | {"costs": calibration}, latency=8.0)
