"""retune: from any operating point to any other, it writes what convert would have written."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import zaponnx
from zaponnx.artifact_files import load_calibration, load_fit, save_fit
from zaponnx.artifacts import LARGER_BLOCKS
from zaponnx.calib.hulls import hulls
from zaponnx.carried import read_artifacts
from zaponnx.errors import DataError, InvalidArgument, ModelError
from zaponnx.models import external_files, load_model, save_model
from zaponnx.site_choice import redistribute

BUDGETS: tuple[dict[str, float], ...] = ({"epsilon": 0.0}, {"epsilon": 0.5}, {"mac_saving": 0.3}, {"epsilon": 2.0})


def assert_retunes(files: Any, budgets: tuple[dict[str, Any], ...]) -> None:
    """Converts at each budget, and retunes each result to all of them."""
    converted = {}
    for index, budget in enumerate(budgets):
        output = files.output.with_name(f"{index}.onnx")
        converted[output] = replace(files, output=output).convert(**budget)
    for source in converted:
        for budget, (target, expected) in zip(budgets, converted.items(), strict=True):
            retuned = files.output.with_name("retuned.onnx")
            report = zaponnx.retune(source, retuned, **budget)
            assert retuned.read_bytes() == target.read_bytes(), (source, budget)
            known = {"model": source, "output": retuned, "upgraded": "", "verification": report.verification}
            assert report == replace(expected, **known)
            assert report.verification.difference <= report.verification.tolerance


def test_any_point_from_any_other(make_files) -> None:
    assert_retunes(make_files(), BUDGETS)


def test_what_is_counted_in_blocks_is_carried(files) -> None:
    """The second site can save nothing so, and its hull says it."""
    sites = load_calibration(files.calibration).sites
    blocks = [np.array([counts] * len(LARGER_BLOCKS)) for counts in ([8, 8, 8], [0, 0, 24])]
    sites = tuple(replace(site, blocks=each) for site, each in zip(sites, blocks, strict=True))
    files.calibrate_again(sites=sites)
    save_fit(replace(load_fit(files.fit), block="64x1x1"), files.fit)
    files.convert(epsilon=1.0)
    calibration, fit, carried = read_artifacts(load_model(files.output, "test"), "test", "m")
    assert (fit.block, [site.blocks for site in calibration.sites]) == ("64x1x1", [None, None])
    assert [hull.saved.size for hull in carried] == [4, 2]
    assert_retunes(files, ({"epsilon": 1.0}, {"epsilon": 2.0}))


def test_with_layouts(files) -> None:
    assert_retunes(files, ({"epsilon": 1.0}, {"epsilon": 2.0, "layout": "nchw"}))


def test_folded_and_upgraded_models(make_batch_norm_files) -> None:
    """What one point leaves dense was folded there too, since another point needs it so."""
    assert_retunes(make_batch_norm_files(opset=12, ir_version=7), BUDGETS)


def test_a_trained_network(digits, tmp_path: Path) -> None:
    """At points of a real fit, from where nothing is lost to where only the pattern is computed."""
    files = {share: tmp_path / f"{share}.onnx" for share in (0.0, 0.15, 0.3, 0.5)}
    for share, path in files.items():
        zaponnx.convert(digits.model, digits.calibration, digits.fit, path, mac_saving=share)
    assert len({path.read_bytes() for path in files.values()}) == len(files)
    for source in files.values():
        for share, target in files.items():
            zaponnx.retune(source, tmp_path / "retuned.onnx", mac_saving=share)
            assert (tmp_path / "retuned.onnx").read_bytes() == target.read_bytes()
    zaponnx.strip(files[0.3], tmp_path / "stripped.onnx")
    assert (tmp_path / "stripped.onnx").read_bytes() == digits.model.read_bytes()


def test_external_data_stay_external(make_files) -> None:
    files = make_files(external_data=True)
    files.convert(epsilon=0.5)
    retuned = files.output.with_name("retuned.onnx")
    zaponnx.retune(files.output, retuned, epsilon=2.0)
    files.convert(epsilon=2.0)
    assert external_files(retuned) == [retuned.with_name("retuned.onnx.data")]
    assert external_files(retuned)[0].read_bytes() == external_files(files.output)[0].read_bytes()


def test_a_missed_budget(files) -> None:
    """The nearest point is written, as by convert."""
    files.convert(epsilon=0.5)
    retuned = files.output.with_name("retuned.onnx")
    report = zaponnx.retune(files.output, retuned, mac_saving=0.61)
    assert report.budget_missed == "no operating point saves 61.00% of the MACs; the best saves 60.00%"
    assert {site.thresholds for site in report.converted} == {(math.inf,)}


@pytest.mark.parametrize("epsilon", [0.0, 1.0])
def test_it_carries_what_was_calibrated(files, epsilon: float) -> None:
    """All that conversions, with tuning or without, make of the artifacts."""
    files.convert(epsilon=epsilon)
    calibration, fit, carried_hulls = read_artifacts(load_model(files.output, "test"), "test", "there")
    original, original_fit = load_calibration(files.calibration), load_fit(files.fit)
    assert (calibration.model_sha256, calibration.pattern) == (original.model_sha256, original.pattern)
    assert dict(calibration.settings) == {name: original.settings[name] for name in ("data", "samples", "seed")}
    assert fit == replace(original_fit, curves=fit.curves)
    for site, expected in zip(calibration.sites, original.sites, strict=True):
        for name, values in vars(expected.predictor).items():
            np.testing.assert_array_equal(getattr(site.predictor, name), values)
        assert site.macs == expected.macs
    original_hulls = hulls(original, original_fit.granularity)
    for budget in (0.1, 0.7, 1.4):
        for dense in ((), ("r1",)):
            assert redistribute(carried_hulls, "output", budget, dense) == redistribute(
                original_hulls, "output", budget, dense
            )


@pytest.mark.parametrize(
    ("options", "error", "problem"),
    [
        ({}, InvalidArgument, "no budget is given, and fit was not asked to choose a point; give an epsilon"),
        ({"epsilon": -1.0}, InvalidArgument, "epsilon is -1.0"),
        ({"epsilon": 1.0, "layout": "nhwc"}, InvalidArgument, "the layout is 'nhwc'"),
        ({"epsilon": 1.0, "threads": 1}, InvalidArgument, "--threads is for tuning only"),
        ({"epsilon": 1.0, "tune": True, "data": "digits"}, DataError, "not a float image batch"),
    ],
)
def test_arguments(files, options: dict[str, Any], error: type[Exception], problem: str) -> None:
    """They are those of convert, and errors about them name the right command."""
    files.convert(epsilon=1.0)
    with pytest.raises(error, match=f"^retune: .*{problem}"):
        zaponnx.retune(files.output, files.output.with_name("retuned.onnx"), **options)
    assert not files.output.with_name("retuned.onnx").exists()


def test_neither_the_model_nor_the_data_are_written_over(files) -> None:
    files.convert(epsilon=1.0)
    precious = files.output.with_name("data.npz")
    precious.write_bytes(b"precious")
    with pytest.raises(InvalidArgument, match=r"^retune: .*the output is also an input"):
        zaponnx.retune(files.output, files.output, epsilon=1.0)
    with pytest.raises(InvalidArgument, match=r"^retune: .*the output is also an input"):
        zaponnx.retune(files.output, precious, epsilon=1.0, tune=True, data=f"npz:{precious}")
    assert precious.read_bytes() == b"precious"


def with_fewer_nodes(model: onnx.ModelProto) -> None:
    del model.graph.node[:2]
    model.graph.input[0].name = "s"


def without_carried(model: onnx.ModelProto) -> None:
    entries = [entry for entry in model.metadata_props if entry.key != "zaponnx.retuning"]
    del model.metadata_props[:]
    model.metadata_props.extend(entries)


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (lambda model: None, "it is not converted; give a model that zaponnx convert wrote"),
        (without_carried, "it does not carry zaponnx.retuning: .*; convert the original model again"),
        (with_fewer_nodes, "its dense nodes do not go .*; convert the original model again"),
    ],
)
def test_models_that_cannot_be_retuned(files, edit: Any, problem: str) -> None:
    files.convert(epsilon=1.0, layout="nchw")
    source = files.model if problem.startswith("it is not") else files.output
    model = load_model(source, "test")
    edit(model)
    edited = files.output.with_name("edited.onnx")
    save_model(model, edited)
    with pytest.raises(ModelError, match=f"^retune: .*edited.onnx: {problem}") as caught:
        zaponnx.retune(edited, files.output.with_name("retuned.onnx"), epsilon=1.0)
    assert "\n" not in str(caught.value)
    assert not files.output.with_name("retuned.onnx").exists()
