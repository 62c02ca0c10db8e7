"""convert from files to a file: operating points, what stays dense, external data and upgrades."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from onnx import numpy_helper

import zaponnx
from zaponnx import tables
from zaponnx.artifact_files import load_calibration, load_fit, save_fit
from zaponnx.files import sha256
from zaponnx.graph.converted import attributes, read_metadata, zap_convs
from zaponnx.graph.layouts import Layouts
from zaponnx.models import external_files, load_model, model_sha256
from zaponnx.patterns import Pattern
from zaponnx.runtime import InferenceSession


def test_conversion(files) -> None:
    report = files.convert(epsilon=1.0)
    model = load_model(files.output, "test")
    nodes = {node.name: node for node in zap_convs(model)}
    assert {name: attributes(node)["threshold"] for name, node in nodes.items()} == {"first": [0.5], "second": [0.125]}
    assert attributes(nodes["first"])["pattern"] == Pattern.parse("D").flat
    predictor = load_calibration(files.calibration).sites[1].predictor
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for index, name in enumerate(("P1", "p1", "P2", "p2"), start=3):
        np.testing.assert_array_equal(weights[nodes["second"].input[index]], getattr(predictor, name))
    assert nodes["second"].input[7] == nodes["first"].input[0] == "s/nhwc"
    metadata = read_metadata(model)
    assert metadata["version"] == zaponnx.__version__
    assert metadata["model_sha256"] == model_sha256(files.model)
    assert metadata["calibration_sha256"] == sha256(files.calibration)
    settings = [metadata[f"calibration_{name}"] for name in ("data", "samples", "seed")]
    assert settings == ["images:pictures", "64", "7"]
    assert (metadata["pattern"], metadata["method"]) == ("D", "exact")
    assert [json.loads(metadata[name]) for name in ("epsilon", "error", "mac_saved")] == [1.0, 0.9, 0.3]
    assert [(site.name, site.output, site.thresholds, site.macs) for site in report.converted] == [
        ("first", "r1", (0.5,), 72 * 8 * 144),
        ("second", "r2", (0.125,), 72 * 8 * 144),
    ]
    assert {refusal.name: refusal.reason for refusal in report.dense} == {
        "stem": "it is the first convolution of the network",
        "head": "its output goes to Sigmoid 'y', which is no ReLU",
    }
    assert (report.epsilon, report.error, report.mac_saved) == (1.0, 0.9, 0.3)
    assert (report.budget_missed, report.upgraded) == ("", "")
    assert report.layouts == Layouts(nhwc=2, transposes=2)
    assert report.verification.difference <= report.verification.tolerance < 1e-3
    assert "function bodies" in report.verification.ran


@pytest.mark.parametrize(
    ("budget", "epsilon", "missed"),
    [
        ({"epsilon": 0.0}, 0.0, False),
        ({"epsilon": 0.89}, 0.5, False),
        ({"epsilon": 0.9}, 1.0, False),
        ({"epsilon": 50.0}, 2.0, False),
        ({"mac_saving": 0.0}, 0.0, False),
        ({"mac_saving": 0.2}, 0.5, False),
        ({"mac_saving": 0.21}, 1.0, False),
        ({"mac_saving": 0.6}, 2.0, False),
        ({"mac_saving": 0.61}, 2.0, True),
    ],
)
def test_operating_points(files, budget: dict[str, float], epsilon: float, missed: bool) -> None:
    report = files.convert(**budget)
    assert report.epsilon == epsilon
    assert bool(report.budget_missed) == missed
    assert float(read_metadata(load_model(files.output, "test"))["epsilon"]) == epsilon
    json.dumps(report.to_json(), allow_nan=False)
    assert report.to_json()["verification"]["ran"]


def test_the_layout_changes_nothing_but_itself(files) -> None:
    report = files.convert(epsilon=1.0)
    x = np.random.default_rng(0).normal(size=(2, 4, 12, 12)).astype(np.float32)
    expected = InferenceSession(files.output).run(None, {"x": x})[0]
    nchw = files.convert(epsilon=1.0, layout="nchw")
    np.testing.assert_array_equal(InferenceSession(files.output).run(None, {"x": x})[0], expected)
    operators = [node.op_type for node in load_model(files.output, "test").graph.node]
    assert operators == ["Conv", "Relu", "ZapConv", "ZapConvResidual", "Conv", "Sigmoid"]
    assert report.to_json()["layouts"] == {"nhwc": 2, "transposes": 2}
    assert nchw.to_json()["layouts"] == {"nhwc": 0, "transposes": 0}
    assert "2 layers in NHWC, with 2 Transposes beside them" in tables.convert(report)
    assert "NHWC" not in tables.convert(nchw)


def test_a_fit_without_small_errors_misses_the_budget(files) -> None:
    fit = load_fit(files.fit)
    save_fit(replace(fit, points=fit.points[2:]), files.fit)
    report = files.convert(epsilon=0.3)
    assert report.epsilon == 1.0
    assert report.budget_missed == "no operating point has an error of 0.3 or less; the smallest is 0.9"


def test_measured_errors_count_and_not_the_budgets_they_were_computed_for(files) -> None:
    """As a sigmoid's points may have them."""
    fit = load_fit(files.fit)
    errors = (0.2, 0.7, 0.4, 1.8)
    points = tuple(replace(p, error=error) for p, error in zip(fit.points, errors, strict=True))
    save_fit(replace(fit, points=points), files.fit)
    for epsilon, error in ((0.5, 0.4), (0.7, 0.4), (0.39, 0.2), (2.0, 1.8)):
        report = files.convert(epsilon=epsilon)
        assert (report.error, report.budget_missed) == (error, "")
    report = files.convert(epsilon=0.1)
    assert report.error == 0.2
    assert "error of 0.1 or less" in report.budget_missed


def test_sites_with_nothing_to_skip_stay_dense(files, make_network) -> None:
    report = files.convert(epsilon=0.5)
    assert [site.name for site in report.converted] == ["first"]
    assert {refusal.name: refusal.reason for refusal in report.dense}["second"].startswith("nothing to skip")
    report = files.convert(epsilon=0.0)
    assert report.converted == ()
    model = load_model(files.output, "test")
    assert list(model.graph.node) == list(make_network().graph.node)
    assert not model.functions


def test_sites_that_were_not_calibrated_stay_dense(files) -> None:
    calibration, fit = load_calibration(files.calibration), load_fit(files.fit)
    points = tuple(replace(p, thresholds={"r1": p.thresholds["r1"]}) for p in fit.points)
    save_fit(replace(fit, points=points, curves={"r1": fit.curves["r1"]}), files.fit)
    files.calibrate_again(sites=calibration.sites[:1])
    report = files.convert(epsilon=1.0)
    assert [site.name for site in report.converted] == ["first"]
    assert {refusal.name: refusal.reason for refusal in report.dense}["second"] == "it was not calibrated"


def test_a_calibrated_first_convolution_is_converted(files) -> None:
    calibration, fit = load_calibration(files.calibration), load_fit(files.fit)
    stem = replace(calibration.sites[0], name="stem", output="s", macs_per_output=36)
    points = tuple(replace(p, thresholds={"s": (0.1,), **p.thresholds}) for p in fit.points)
    save_fit(replace(fit, points=points, curves={"s": {"curve": "measured"}, **fit.curves}), files.fit)
    files.calibrate_again(sites=(stem, *calibration.sites))
    assert [site.name for site in files.convert(epsilon=1.0).converted] == ["stem", "first", "second"]


@pytest.mark.parametrize(("opset", "ir_version"), [(9, 4), (11, 6), (12, 8), (13, 7)])
def test_old_models_are_upgraded(make_files, opset: int, ir_version: int) -> None:
    files = make_files(opset=opset, ir_version=ir_version)
    report = files.convert(epsilon=1.0)
    model = load_model(files.output, "test")
    assert (model.opset_import[0].version, model.ir_version) == (13, 8)
    assert len(report.converted) == 2
    assert ("opset" in report.upgraded, "IR version" in report.upgraded) == (opset < 13, ir_version < 8)


@pytest.mark.parametrize(("opset", "ir_version"), [(13, 8), (21, 10)])
def test_versions_that_suffice_are_kept(make_files, opset: int, ir_version: int) -> None:
    files = make_files(opset=opset, ir_version=ir_version)
    assert files.convert(epsilon=1.0).upgraded == ""
    model = load_model(files.output, "test")
    assert (model.opset_import[0].version, model.ir_version) == (opset, ir_version)


def test_external_data_stay_external(make_files) -> None:
    files = make_files(external_data=True)
    files.convert(epsilon=1.0)
    assert external_files(files.output) == [files.output.with_name("m.zap.onnx.data")]
    assert len(zap_convs(load_model(files.output, "test"))) == 2


def test_the_same_conversion_gives_the_same_file(files) -> None:
    files.convert(epsilon=1.0)
    first = files.output.read_bytes()
    files.convert(epsilon=1.0)
    assert files.output.read_bytes() == first


def test_a_model_that_grows_beyond_what_a_protobuf_can_hold(files, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one of almost 2 GB does."""
    monkeypatch.setattr("zaponnx.models.PROTOBUF_LIMIT", files.model.stat().st_size)
    assert len(files.convert(epsilon=1.0).converted) == 2
    assert external_files(files.output) == [files.output.with_name("m.zap.onnx.data")]
