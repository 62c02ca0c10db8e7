"""convert from files to a file: operating points, refusals, external data, upgrades, and nothing left behind."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import zaponnx.conversion
from zaponnx.artifact_files import load_calibration, load_fit, save_calibration, save_fit
from zaponnx.artifacts import Calibration, Fit, OperatingPoint, Predictor, SiteCalibration
from zaponnx.conversion import ConversionReport, convert
from zaponnx.errors import ArtifactError, InvalidArgument, ModelError, ZapError
from zaponnx.graph.converted import attributes, read_metadata, zap_convs
from zaponnx.graph.finding import find_sites
from zaponnx.models import external_files, load_model, model_sha256, save_model
from zaponnx.patterns import Pattern

NETWORK = """<ir_version: {ir_version}, opset_import: ["": {opset}]>
net (float[N,4,12,12] x) => (float[N,8,12,12] y) {{
    [stem] c0 = Conv<pads=[1,1,1,1]>(x, W0) s = Relu(c0)
    [first] c1 = Conv<pads=[1,1,1,1]>(s, W1) r1 = Relu(c1)
    [second] c2 = Conv<pads=[1,1,1,1]>(r1, W2) a = Add(c2, s) r2 = Relu(a)
    [head] h = Conv<pads=[1,1,1,1]>(r2, W2) y = Sigmoid(h)
}}"""


def network(*, opset: int = 17, ir_version: int = 8) -> onnx.ModelProto:
    model = onnx.parser.parse_model(NETWORK.format(opset=opset, ir_version=ir_version))
    rng = np.random.default_rng(0)
    for name, inputs in (("W0", 4), ("W1", 8), ("W2", 8)):
        weights = rng.normal(size=(8, inputs, 3, 3)) / math.sqrt(9 * inputs)
        model.graph.initializer.append(numpy_helper.from_array(weights.astype(np.float32), name))
    return model


@dataclass(frozen=True)
class Files:
    """A model with its artifacts. Operating points: ε 0 skips nothing, 0.5 one site, 1 both, 2 all but the pattern."""

    model: Path
    calibration: Path
    fit: Path
    output: Path

    def convert(self, **budget: float) -> ConversionReport:
        return convert(self.model, self.calibration, self.fit, self.output, **budget)

    def assert_refused(self, error: type[ZapError], text: str, **budget: float) -> None:
        """One sentence with the phase, and no file more than before."""
        before = sorted(self.model.parent.iterdir())
        with pytest.raises(error, match=text) as caught:
            self.convert(**(budget or {"epsilon": 1.0}))
        assert str(caught.value).startswith("convert: ")
        assert "\n" not in str(caught.value)
        assert sorted(self.model.parent.iterdir()) == before


def site_calibration(name: str, output: str, macs_per_output: int) -> SiteCalibration:
    rng = np.random.default_rng(len(output))
    shapes = ((8, 1, 3, 3), (8,), (8, 1, 3, 3), (8,))
    predictor = Predictor(*(rng.normal(size=shape).astype(np.float32) for shape in shapes))
    return SiteCalibration(
        name, output, 8, macs_per_output, predictor, np.ones((8, 3), np.int64), np.ones((8, 3)), 50.0, 2 * 8 * 144, 2
    )


def point(epsilon: float, mac_saved: float, first: float, second: float) -> OperatingPoint:
    return OperatingPoint(epsilon, epsilon * 0.9, mac_saved, {"r1": first, "r2": second})


@pytest.fixture
def make_files(tmp_path: Path) -> Callable[..., Files]:
    """Writes the model and its artifacts: make_files(opset=..., ir_version=..., external_data=...)."""

    def make(*, external_data: bool = False, **versions: int) -> Files:
        files = Files(*(tmp_path / name for name in ("m.onnx", "m.zapcal", "m.zapfit.json", "m.zap.onnx")))
        save_model(network(**versions), files.model, external_data=external_data)
        sha256 = model_sha256(files.model)
        sites = (site_calibration("first", "r1", 72), site_calibration("second", "r2", 72))
        edges = np.array([0, 1], np.float32)
        save_calibration(Calibration(sha256, Pattern.parse("D"), edges, sites), files.calibration)
        points = (
            point(0.0, 0.0, -math.inf, -math.inf),
            point(0.5, 0.2, 0.25, -math.inf),
            point(1.0, 0.3, 0.5, 0.125),
            point(2.0, 0.6, math.inf, math.inf),
        )
        curves = {output: {"curve": "measured"} for output in ("r1", "r2")}
        save_fit(Fit(sha256, "exact", points, curves), files.fit)
        return files

    return make


@pytest.fixture
def files(make_files: Callable[..., Files]) -> Files:
    return make_files()


def test_conversion(files: Files) -> None:
    report = files.convert(epsilon=1.0)
    model = load_model(files.output, "test")
    nodes = {node.name: node for node in zap_convs(model)}
    assert {name: attributes(node)["threshold"] for name, node in nodes.items()} == {"first": [0.5], "second": [0.125]}
    assert attributes(nodes["first"])["pattern"] == Pattern.parse("D").flat
    predictor = load_calibration(files.calibration).sites[1].predictor
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for index, name in enumerate(("P1", "p1", "P2", "p2"), start=3):
        np.testing.assert_array_equal(weights[nodes["second"].input[index]], getattr(predictor, name))
    assert nodes["second"].input[7] == "s"
    metadata = read_metadata(model)
    assert metadata["version"] == zaponnx.__version__
    assert metadata["model_sha256"] == model_sha256(files.model)
    assert (metadata["pattern"], metadata["method"]) == ("D", "exact")
    assert [json.loads(metadata[name]) for name in ("epsilon", "error", "mac_saved")] == [1.0, 0.9, 0.3]
    assert [(site.name, site.output, site.threshold, site.macs) for site in report.converted] == [
        ("first", "r1", 0.5, 72 * 8 * 144),
        ("second", "r2", 0.125, 72 * 8 * 144),
    ]
    assert {refusal.name: refusal.reason for refusal in report.dense} == {
        "stem": "it is the first convolution of the network",
        "head": "its output goes to Sigmoid 'y', which is no ReLU",
    }
    assert (report.epsilon, report.error, report.mac_saved) == (1.0, 0.9, 0.3)
    assert (report.budget_missed, report.upgraded) == ("", "")
    assert report.verification.difference <= report.verification.tolerance < 1e-3
    assert "function bodies" in report.verification.ran


@pytest.mark.parametrize(
    ("budget", "epsilon", "missed"),
    [
        ({"epsilon": 0.0}, 0.0, False),
        ({"epsilon": 0.99}, 0.5, False),
        ({"epsilon": 1.0}, 1.0, False),
        ({"epsilon": 50.0}, 2.0, False),
        ({"mac_saving": 0.0}, 0.0, False),
        ({"mac_saving": 0.2}, 0.5, False),
        ({"mac_saving": 0.21}, 1.0, False),
        ({"mac_saving": 0.6}, 2.0, False),
        ({"mac_saving": 0.61}, 2.0, True),
    ],
)
def test_operating_points(files: Files, budget: dict[str, float], epsilon: float, missed: bool) -> None:
    report = files.convert(**budget)
    assert report.epsilon == epsilon
    assert bool(report.budget_missed) == missed
    assert float(read_metadata(load_model(files.output, "test"))["epsilon"]) == epsilon
    json.dumps(report.to_json(), allow_nan=False)
    assert report.to_json()["verification"]["ran"]


def test_a_fit_without_small_epsilons_misses_the_budget(files: Files) -> None:
    fit = load_fit(files.fit)
    save_fit(replace(fit, points=fit.points[2:]), files.fit)
    report = files.convert(epsilon=0.3)
    assert report.epsilon == 1.0
    assert "0.3" in report.budget_missed


def test_sites_with_nothing_to_skip_stay_dense(files: Files) -> None:
    report = files.convert(epsilon=0.5)
    assert [site.name for site in report.converted] == ["first"]
    assert {refusal.name: refusal.reason for refusal in report.dense}["second"].startswith("nothing to skip")
    report = files.convert(epsilon=0.0)
    assert report.converted == ()
    model = load_model(files.output, "test")
    assert list(model.graph.node) == list(network().graph.node)
    assert not model.functions


def test_sites_that_were_not_calibrated_stay_dense(files: Files) -> None:
    calibration, fit = load_calibration(files.calibration), load_fit(files.fit)
    save_calibration(replace(calibration, sites=calibration.sites[:1]), files.calibration)
    points = tuple(replace(p, thresholds={"r1": p.thresholds["r1"]}) for p in fit.points)
    save_fit(replace(fit, points=points, curves={"r1": fit.curves["r1"]}), files.fit)
    report = files.convert(epsilon=1.0)
    assert [site.name for site in report.converted] == ["first"]
    assert {refusal.name: refusal.reason for refusal in report.dense}["second"] == "it was not calibrated"


def test_a_calibrated_first_convolution_is_converted(files: Files) -> None:
    calibration, fit = load_calibration(files.calibration), load_fit(files.fit)
    sites = (site_calibration("stem", "s", 36), *calibration.sites)
    save_calibration(replace(calibration, sites=sites), files.calibration)
    points = tuple(replace(p, thresholds={"s": 0.1, **p.thresholds}) for p in fit.points)
    save_fit(replace(fit, points=points, curves={"s": {"curve": "measured"}, **fit.curves}), files.fit)
    assert [site.name for site in files.convert(epsilon=1.0).converted] == ["stem", "first", "second"]


@pytest.mark.parametrize(("opset", "ir_version"), [(9, 4), (11, 6), (12, 8), (13, 7)])
def test_old_models_are_upgraded(make_files: Callable[..., Files], opset: int, ir_version: int) -> None:
    files = make_files(opset=opset, ir_version=ir_version)
    report = files.convert(epsilon=1.0)
    model = load_model(files.output, "test")
    assert (model.opset_import[0].version, model.ir_version) == (13, 8)
    assert len(report.converted) == 2
    assert ("opset" in report.upgraded, "IR version" in report.upgraded) == (opset < 13, ir_version < 8)


@pytest.mark.parametrize(("opset", "ir_version"), [(13, 8), (21, 10)])
def test_versions_that_suffice_are_kept(make_files: Callable[..., Files], opset: int, ir_version: int) -> None:
    files = make_files(opset=opset, ir_version=ir_version)
    assert files.convert(epsilon=1.0).upgraded == ""
    model = load_model(files.output, "test")
    assert (model.opset_import[0].version, model.ir_version) == (opset, ir_version)


def test_external_data_stay_external(make_files: Callable[..., Files]) -> None:
    files = make_files(external_data=True)
    files.convert(epsilon=1.0)
    assert external_files(files.output) == [files.output.with_name("m.zap.onnx.data")]
    assert len(zap_convs(load_model(files.output, "test"))) == 2


def test_the_same_conversion_gives_the_same_file(files: Files) -> None:
    files.convert(epsilon=1.0)
    first = files.output.read_bytes()
    files.convert(epsilon=1.0)
    assert files.output.read_bytes() == first


def test_converted_models_are_refused(files: Files) -> None:
    for epsilon in (1.0, 0.0):
        files.convert(epsilon=epsilon)
        again = replace(files, model=files.output, output=files.output.with_name("again.onnx"))
        again.assert_refused(ModelError, "already converted")


def test_artifacts_of_another_model_are_refused(files: Files) -> None:
    other = network()
    other.graph.doc_string = "another"
    save_model(other, files.model)
    files.assert_refused(ArtifactError, "m.zapcal: it belongs to another model; run zaponnx calibrate")
    save_calibration(
        replace(load_calibration(files.calibration), model_sha256=model_sha256(files.model)), files.calibration
    )
    files.assert_refused(ArtifactError, "m.zapfit.json: it belongs to another model; run zaponnx fit")


def test_a_fit_of_another_calibration_is_refused(files: Files) -> None:
    calibration = load_calibration(files.calibration)
    save_calibration(replace(calibration, sites=calibration.sites[:1]), files.calibration)
    files.assert_refused(ArtifactError, "m.zapfit.json: it does not belong to this calibration")


def test_sites_that_the_model_does_not_have_are_refused(files: Files) -> None:
    calibration, fit = load_calibration(files.calibration), load_fit(files.fit)
    sites = (replace(calibration.sites[0], macs_per_output=71), calibration.sites[1])
    save_calibration(replace(calibration, sites=sites), files.calibration)
    files.assert_refused(ArtifactError, "site 'first' is another one")
    sites = (replace(calibration.sites[0], output="gone"), calibration.sites[1])
    save_calibration(replace(calibration, sites=sites), files.calibration)
    points = tuple(replace(p, thresholds={"gone": 0.0, "r2": 0.0}) for p in fit.points)
    curves: dict[str, Any] = {output: {"curve": "measured"} for output in ("gone", "r2")}
    save_fit(replace(fit, points=points, curves=curves), files.fit)
    files.assert_refused(ArtifactError, "site 'first' is no site of the model")


@pytest.mark.parametrize("name", ["model", "calibration", "fit"])
@pytest.mark.parametrize("content", [b"", b"foreign", None])
def test_damaged_files_are_refused(files: Files, name: str, content: bytes | None) -> None:
    path: Path = getattr(files, name)
    path.write_bytes(path.read_bytes()[:-200] if content is None else content)
    files.assert_refused(ModelError if name == "model" else ArtifactError, path.name)


@pytest.mark.parametrize(
    "budget",
    [
        {"epsilon": 1.0, "mac_saving": 0.3},
        {"epsilon": -0.1},
        {"epsilon": math.nan},
        {"epsilon": math.inf},
        {"mac_saving": 1.1},
        {"mac_saving": -0.1},
        {"mac_saving": math.nan},
    ],
)
def test_budgets_out_of_range_are_refused(files: Files, budget: dict[str, float]) -> None:
    files.assert_refused(InvalidArgument, "epsilon|MAC saving", **budget)


def test_a_budget_is_required(files: Files) -> None:
    with pytest.raises(InvalidArgument, match="either an epsilon or a MAC saving"):
        files.convert()


def test_the_output_directory_must_exist(files: Files) -> None:
    lost = replace(files, output=files.output.parent / "none" / "m.zap.onnx")
    lost.assert_refused(InvalidArgument, "no such directory")


def test_no_file_where_the_check_fails(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """A conversion that forgets the residual must not get through."""
    rewrite = zaponnx.conversion.rewrite

    def forgetful(model: onnx.ModelProto, *arguments: Any) -> None:
        rewrite(model, *arguments)
        zap_convs(model)[1].input[7] = "r1"

    monkeypatch.setattr(zaponnx.conversion, "rewrite", forgetful)
    files.assert_refused(ModelError, "node 'second': at threshold −∞ it differs from the original")
    assert find_sites(load_model(files.model, "test"))[0]
