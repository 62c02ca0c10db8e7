"""finetune: what it changes and what it leaves, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

import zaponnx
from zaponnx import tables
from zaponnx.calib.finetuning.equality import TOLERANCE
from zaponnx.errors import DataError, InvalidArgument, ModelError, RuntimeUnavailable
from zaponnx.graph.converted import read_metadata


def initializers(path: Path) -> dict[str, np.ndarray]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load_model(path).graph.initializer}


def test_weights_are_new_and_all_else_is_as_it_was(skipping: Path, tmp_path: Path) -> None:
    output = tmp_path / "tuned.zap.onnx"
    report = zaponnx.finetune(skipping, "random", output, epochs=1, samples=16)
    before, after = initializers(skipping), initializers(output)
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed == {"W0", "W1", "B1", "W2"}
    assert report.weights == len(changed)
    assert report.difference <= 1e-5
    old, new = onnx.load_model(skipping), onnx.load_model(output)
    for model in (old, new):
        for index in reversed(range(len(model.graph.initializer))):
            if model.graph.initializer[index].name in changed:
                del model.graph.initializer[index]
    recorded = json.loads(read_metadata(new)["finetuned"])
    assert recorded == [{**recorded[0], "data": "random", "loss": "distill", "samples": 16, "epochs": 1}]
    assert new.metadata_props.pop().key == "zaponnx.finetuned"
    assert old.SerializeToString(deterministic=True) == new.SerializeToString(deterministic=True)


def test_the_result_can_be_stripped_retuned_and_fine_tuned_again(skipping: Path, tmp_path: Path) -> None:
    tuned, dense, moved, again = (tmp_path / name for name in ("t.zap.onnx", "d.onnx", "m.zap.onnx", "a.zap.onnx"))
    zaponnx.finetune(skipping, "random", tuned, epochs=1, samples=16)
    zaponnx.strip(tuned, dense)  # compares the two
    assert np.array_equal(initializers(dense)["W1"], initializers(tuned)["W1"])
    zaponnx.retune(tuned, moved, mac_saving=0.1)
    assert np.array_equal(initializers(moved)["W1"], initializers(tuned)["W1"])
    zaponnx.finetune(moved, "random", again, epochs=0, samples=16)
    history = json.loads(read_metadata(onnx.load_model(again))["finetuned"])
    assert [entry["epochs"] for entry in history] == [1, 0]


def test_it_comes_closer_to_the_dense_network(skipping: Path, tmp_path: Path) -> None:
    """In the loss over the same samples, before any training and after."""
    losses = []
    for epochs, lr in ((1, 0.0), (1, 0.05), (6, 0.05)):
        options: dict[str, Any] = {"epochs": epochs, "lr": lr, "samples": 64, "batch_size": 16, "reestimate": False}
        losses.append(zaponnx.finetune(skipping, "random", tmp_path / "t.zap.onnx", **options).losses[-1])
    assert losses[0] > losses[1] > 2 * losses[2]


@pytest.mark.parametrize(
    ("options", "averaged"),
    [({"epochs": 2}, True), ({"preset": "paper:resnet18-D"}, False)],
    ids=["by default", "not as published"],
)
def test_weights_are_averaged_over_the_steps(
    skipping: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], averaged: bool
) -> None:
    """Weighed by t (t + 1) (t + 2) after step t."""
    after_step: list[list[np.ndarray]] = []

    class Recorded(torch.optim.SGD):
        def step(self, *arguments: Any) -> None:
            super().step(*arguments)
            after_step.append([parameter.detach().numpy().copy() for parameter in self.param_groups[0]["params"]])

    monkeypatch.setattr(torch.optim, "SGD", Recorded)
    output = tmp_path / "t.zap.onnx"
    zaponnx.finetune(skipping, "random", output, samples=64, batch_size=16, lr=0.01, **options)
    steps = np.arange(1, len(after_step) + 1)
    assert len(steps) == 4 * options.get("epochs", 1)
    weights = steps * (steps + 1) * (steps + 2) if averaged else steps == len(steps)
    expected = [np.average(arrays, axis=0, weights=weights) for arrays in zip(*after_step, strict=True)]
    found = initializers(output)
    for name, array in zip(("W0", "W1", "B1", "W2"), expected, strict=True):
        np.testing.assert_allclose(found[name], array, rtol=1e-4, atol=1e-6)


def test_labels_are_followed_where_there_are_some(skipping: Path, labelled, tmp_path: Path) -> None:
    data, output = labelled(20), tmp_path / "t.zap.onnx"
    assert zaponnx.finetune(skipping, data, output, epochs=1).loss == "labels"
    assert zaponnx.finetune(skipping, data, output, epochs=1, loss="distill").loss == "distill"
    accuracy = [zaponnx.eval([skipping], data, samples=20).models[0].top1]
    zaponnx.finetune(skipping, data, output, epochs=60, lr=0.1, batch_size=20)
    accuracy.append(zaponnx.eval([output], data, samples=20).models[0].top1)
    assert accuracy[1] >= accuracy[0] + 0.2


def test_the_seed_decides_everything(skipping: Path, tmp_path: Path) -> None:
    files = []
    for number, seed in enumerate((1, 1, 2)):
        files.append(tmp_path / f"{number}.zap.onnx")
        zaponnx.finetune(skipping, "random", files[-1], epochs=1, samples=32, batch_size=8, seed=seed)
    first, second, third = (file.read_bytes() for file in files)
    assert first == second != third


def test_a_bias_that_convert_added_stays_zero(small, skipping: Path, tmp_path: Path) -> None:
    """It would be lost when the model is stripped."""
    model = onnx.load_model(small.model)
    next(node for node in model.graph.node if node.name == "middle").input.pop()
    onnx.save_model(model, tmp_path / "unbiased.onnx")
    paths = [tmp_path / name for name in ("m.zapcal", "m.zapfit.json", "m.zap.onnx", "t.zap.onnx")]
    calibration, fit, converted, tuned = paths
    zaponnx.calibrate(tmp_path / "unbiased.onnx", "random", calibration, samples=16, epochs=1, refine_steps=0)
    zaponnx.fit(calibration, fit)
    zaponnx.convert(tmp_path / "unbiased.onnx", calibration, fit, converted, mac_saving=0.3)
    report = zaponnx.finetune(converted, "random", tuned, epochs=1, samples=16)
    assert (report.weights, report.reestimated) == (3, 0)
    assert not initializers(tuned)["active/B"].any()
    zaponnx.strip(tuned, tmp_path / "d.onnx")


def test_a_model_of_fixed_batch_and_external_data(skipping: Path, tmp_path: Path) -> None:
    model = onnx.load_model(skipping)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4
    options: dict[str, Any] = {"save_as_external_data": True, "size_threshold": 0, "location": "weights.bin"}
    onnx.save_model(model, tmp_path / "fixed.zap.onnx", **options)
    report = zaponnx.finetune(tmp_path / "fixed.zap.onnx", "random", tmp_path / "t.zap.onnx", epochs=1, samples=8)
    assert report.batch_size == 4
    assert (tmp_path / "t.zap.onnx.data").exists()
    assert not np.array_equal(initializers(tmp_path / "t.zap.onnx")["W1"], initializers(skipping)["W1"])


def test_a_preset_gives_what_was_published(skipping: Path, tmp_path: Path) -> None:
    report = zaponnx.finetune(skipping, "random", tmp_path / "t.zap.onnx", preset="paper:vgg16-D", samples=32, lr=0.5)
    descent = report.descent
    assert (descent.epochs, descent.lr, descent.weight_decay, report.batch_size) == (1, 0.5, 5e-4, 32)


def test_progress_and_the_table(skipping: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int, int | None]] = []
    options: dict[str, Any] = {"epochs": 1, "samples": 20, "batch_size": 16}
    report = zaponnx.finetune(
        skipping, "random", tmp_path / "t.zap.onnx", **options, progress=lambda *step: told.append(step)
    )
    steps = ("measuring the dense network", "re-estimating the statistics", "epoch 1/1")
    assert told == [(step, done, 20) for step in steps for done in (16, 20)]
    text = tables.finetune(report)
    assert text.startswith(f"epoch 1: distill loss {report.losses[0]:.5f}\nstatistics of 1 layer re-estimated\n")
    assert "for 1 epoch of 20 samples of random (train), 16 a step, learning rate 0.001" in text


def test_an_interrupt_leaves_nothing(skipping: Path, tmp_path: Path) -> None:
    def interrupt(step: str, done: int, total: int | None) -> None:
        if step == "epoch 2/2":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        zaponnx.finetune(skipping, "random", tmp_path / "t.zap.onnx", epochs=2, samples=16, progress=interrupt)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": -1}, "epochs is -1; use a number from 0"),
        ({"lr": -1.0}, "lr is -1.0"),
        ({"lr": float("inf")}, "lr is inf"),
        ({"weight_decay": float("nan")}, "weight_decay is nan"),
        ({"momentum": 1.0}, "momentum is 1.0; use a number from 0 to below 1"),
        ({"batch_size": 0}, "batch size is 0"),
        ({"loss": "hinge"}, "unknown loss 'hinge'; use labels or distill"),
        ({"preset": "paper:lenet-D"}, "unknown preset"),
        ({"split": "half"}, "unknown split 'half'"),
    ],
)
def test_arguments_that_cannot_be_right(skipping: Path, tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgument, match=f"finetune: .*{message}"):
        zaponnx.finetune(skipping, "random", tmp_path / "t.zap.onnx", **options)


def test_inputs_are_not_overwritten(skipping: Path) -> None:
    with pytest.raises(InvalidArgument, match="the output is also an input"):
        zaponnx.finetune(skipping, "random", skipping)


def test_a_device_that_is_not_there(skipping: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeUnavailable, match=r"there is no device 'abacus' .*; use cpu, or install"):
        zaponnx.finetune(skipping, "random", tmp_path / "t.zap.onnx", device="abacus")


@pytest.mark.skipif(torch.cuda.is_available(), reason="torch has a GPU here")
@pytest.mark.parametrize("where", [{"device": "cuda"}, {"providers": ["CUDAExecutionProvider", "cpu"]}])
def test_a_gpu_that_torch_does_not_have_is_not_passed_over(skipping: Path, tmp_path: Path, where: dict) -> None:
    with pytest.raises(RuntimeUnavailable, match=r"there is no device 'cuda' .*; use cpu, or install"):
        zaponnx.finetune(skipping, "random", tmp_path / "t.zap.onnx", **where)


def test_a_device_and_providers_exclude_each_other(skipping: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="a device and providers are both given; give one of them"):
        zaponnx.finetune(skipping, "random", tmp_path / "t.zap.onnx", device="cpu", providers=["cpu"])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch has no GPU here")
def test_training_on_a_gpu_keeps_the_networks_equal(skipping: Path, tmp_path: Path) -> None:
    tuned = tmp_path / "t.zap.onnx"
    report = zaponnx.finetune(skipping, "random", tuned, epochs=1, samples=64, loss="distill", providers=["cuda"])
    assert tuned.exists()
    assert report.difference <= TOLERANCE


def test_models_that_have_no_predictor(small, skipping: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"finetune: .*it is not converted; give a model that zaponnx convert wrote"):
        zaponnx.finetune(small.model, "random", tmp_path / "t.onnx")
    dense = tmp_path / "dense.zap.onnx"
    zaponnx.retune(skipping, dense, epsilon=0)
    with pytest.raises(ModelError, match="it has no ZapConv; convert it at a larger budget"):
        zaponnx.finetune(dense, "random", tmp_path / "t.onnx")


def test_data_that_do_not_suit(skipping: Path, labelled, tmp_path: Path) -> None:
    output = tmp_path / "t.zap.onnx"
    told: list[object] = []  # nothing: the first samples tell it
    options = {"progress": lambda *step: told.append(step)}
    with pytest.raises(DataError, match="the data have no labels; give data with labels, or use --loss distill"):
        zaponnx.finetune(skipping, "random", output, loss="labels", samples=8, **options)
    with pytest.raises(DataError, match="label 7 is none of 5 classes"):
        zaponnx.finetune(skipping, labelled(4, labels=np.array([0, 1, 7, 2])), output, **options)
    assert not told
    with pytest.raises(DataError, match=r"no statistics can be estimated from single samples.*--no-reestimate"):
        zaponnx.finetune(skipping, labelled(1), output)
    assert zaponnx.finetune(skipping, labelled(1), output, reestimate=False).samples == 1


def test_nan_in_the_data(skipping: Path, labelled, tmp_path: Path) -> None:
    """In the samples that torch and ONNX Runtime are compared on, and in a later one."""
    output = tmp_path / "t.zap.onnx"
    images = np.ones((16, 3, 12, 12), np.float32)
    for sample, options, problem in (
        (0, {}, r"its outputs have NaN or infinite values; check the data"),
        (9, {}, "the statistics of a layer become NaN or infinite; check the data"),
        (9, {"epochs": 0}, "the statistics of a layer become NaN or infinite; check the data"),
        (9, {"reestimate": False}, "the loss becomes nan in epoch 1; .*check the data"),
    ):
        spoilt = images.copy()
        spoilt[sample] = np.nan
        with pytest.raises(DataError, match=rf"^finetune: .*{problem}"):
            zaponnx.finetune(skipping, labelled(16, input=spoilt), output, **options)
    assert not output.exists()


def test_a_loss_that_diverges(skipping: Path, labelled, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"the loss becomes (nan|inf) in epoch \d+; use a smaller --lr"):
        zaponnx.finetune(skipping, labelled(16), tmp_path / "t.zap.onnx", lr=1e20, batch_size=4)
    assert not (tmp_path / "t.zap.onnx").exists()
