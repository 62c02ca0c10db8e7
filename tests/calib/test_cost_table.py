"""Cost tables: what is measured, between the measurements, and files that are refused. The times are made up."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from zaponnx.artifact_files import load_calibration, load_fit
from zaponnx.calib.cost_table import CostTable, SiteCosts, costs_in, load_costs, save_costs
from zaponnx.calib.hulls import hulls
from zaponnx.calib.time_path import site_paths
from zaponnx.chosen_point import Conditions, UsedData
from zaponnx.dense_model import DenseModel
from zaponnx.errors import ArtifactError
from zaponnx.graph.converted import attributes, dense_output, zap_convs
from zaponnx.models import load_model
from zaponnx.progress import silent
from zaponnx.stopwatch import PairedTimes

CONDITIONS = Conditions("a CPU", 2, 1, 1, "1.31.1", "0.1")
WANTED = CostTable("a" * 64, "b" * 64, UsedData("random", "calibration", None), CONDITIONS, ())
SITE = SiteCosts("active", 2.0, 0.5, (0.1, 0.5), (-1.0, 1.0))


@pytest.mark.parametrize(
    ("saved", "gain"), [(0.1, -1.0), (0.3, 0.0), (0.5, 1.0), (0.9, 1.0), (0.0, -1.5)], ids=lambda value: str(value)
)
def test_between_measurements_the_gain_is_linear_and_below_them_too(saved: float, gain: float) -> None:
    assert SITE.gain(np.array([saved])) == pytest.approx(gain)


def test_below_the_measurements_nothing_is_hoped_for() -> None:
    """Where less was gained by saving more, or there is one measurement only, or none."""
    falling = replace(SITE, gain_ms=(1.0, -1.0))
    assert falling.gain(np.array([0.0])) == 1.0
    assert replace(SITE, saved=(0.2,), gain_ms=(0.3,)).gain(np.array([0.1])) == 0.3
    assert replace(SITE, saved=(), gain_ms=()).gain(np.array([0.1])) == -np.inf


class FakeTimer:
    """A site gains 0.25 ms in full; else by its highest threshold."""

    def __init__(self, in_full: float = 0.25) -> None:
        self.in_full = in_full
        self.calls: list[list[str]] = []

    def sites(
        self, converted: onnx.ModelProto, outputs: Sequence[str], alone: Callable[[str], onnx.ModelProto]
    ) -> dict[str, PairedTimes]:
        nodes = {dense_output(node): attributes(node) for node in zap_convs(converted)}
        assert set(nodes) == set(outputs)
        self.calls.append(list(outputs))
        gains = {output: self.gain(nodes[output]) for output in outputs}
        return {output: PairedTimes(3.0, 3.0 - gain, gain, 0.01) for output, gain in gains.items()}

    def gain(self, values: Any) -> float:
        return self.in_full if values["pattern"] == [1] else float(np.clip(values["threshold"], -2, 2).mean())

    def model(self, converted: onnx.ModelProto) -> PairedTimes:
        raise AssertionError("whole models are not timed")


@pytest.fixture
def measured(small) -> Callable[..., dict[str, SiteCosts]]:
    """Measures the small network's costs into a file, or reads them."""

    def measure(path: Path, timer: FakeTimer, wanted: CostTable = WANTED) -> dict[str, SiteCosts]:
        calibration, fit = load_calibration(small.calibration), load_fit(small.fit)
        found = hulls(calibration, fit.granularity)
        model = load_model(small.model, "test")
        dense = DenseModel.of(small.model, model, calibration, fit, found, small.calibration)
        return costs_in(path, wanted, dense, site_paths(found), timer, silent)

    return measure


def test_a_site_is_timed_in_full_and_at_five_densities(measured, tmp_path: Path) -> None:
    timer = FakeTimer()
    (site,) = measured(tmp_path / "m.zapcosts.json", timer).values()
    assert timer.calls == [["active"]] * 6
    assert (site.output, site.dense_ms, site.in_full_ms) == ("active", 3.0, 0.25)
    assert site.saved[-1] == pytest.approx(2 / 3), "which is what D can save"
    assert np.all(np.array(site.saved) >= np.array([0.0625, 0.125, 0.25, 0.375, 0.5]) - 1e-6)
    assert list(site.gain_ms) == sorted(set(site.gain_ms))


def test_what_is_no_faster_in_full_gains_nothing_so(measured, tmp_path: Path) -> None:
    (site,) = measured(tmp_path / "m.zapcosts.json", FakeTimer(in_full=-1.0)).values()
    assert site.in_full_ms == 0.0


def test_a_table_is_measured_once(measured, tmp_path: Path) -> None:
    path, timer = tmp_path / "m.zapcosts.json", FakeTimer()
    first = measured(path, timer)
    content, calls = path.read_bytes(), len(timer.calls)
    assert measured(path, timer) == first
    assert (path.read_bytes(), len(timer.calls)) == (content, calls)
    assert load_costs(path) == replace(WANTED, sites=tuple(first.values()))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"model_sha256": "c" * 64}, "its times are of another model;"),
        ({"calibration_sha256": "c" * 64}, "its times are of another calibration;"),
        ({"data": UsedData("digits", "test", None)}, r"its times are of digits \(test\), not random \(calibration\);"),
        ({"conditions": replace(CONDITIONS, cpu="b CPU", threads=2)}, "of cpu b CPU, not a CPU, threads 2, not 1;"),
        ({"conditions": replace(CONDITIONS, onnxruntime="1.20.1")}, "of onnxruntime 1.20.1, not 1.31.1;"),
        ({"sites": (replace(SITE, output="other"),)}, "of another set of sites;"),
    ],
)
def test_another_models_or_machines_table_is_named(measured, tmp_path: Path, changes: Any, problem: str) -> None:
    path = tmp_path / "m.zapcosts.json"
    save_costs(replace(WANTED, **{"sites": (SITE,), **changes}), path)
    content = path.read_bytes()
    with pytest.raises(ArtifactError, match=problem) as caught:
        measured(path, FakeTimer())
    assert str(caught.value).startswith(f"fit: {path}: ")
    assert "remove it, or name another file with --costs, to measure anew" in str(caught.value)
    assert path.read_bytes() == content


def test_a_damaged_table_is_not_measured_over(measured, tmp_path: Path) -> None:
    path, timer = tmp_path / "m.zapcosts.json", FakeTimer()
    path.write_bytes(b"damaged")
    with pytest.raises(ArtifactError, match=r"not valid JSON: .*; remove it, or name another file with --costs"):
        measured(path, timer)
    assert (path.read_bytes(), timer.calls) == (b"damaged", [])


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (lambda document: document.update(format="other"), "'format' is not 'zaponnx.costs'"),
        (lambda document: document.update(version=2), "'version' is 2, and this zaponnx reads version 1"),
        (lambda document: document.update(more=1), "'more' is unknown"),
        (lambda document: document.pop("conditions"), "'conditions' is missing"),
        (lambda document: document["sites"][0].update(dense_ms=-1), r"'sites\[0\].dense_ms' is no finite number"),
        (lambda document: document["sites"][0]["steps"].reverse(), r"'sites\[0\].steps' are not ascending"),
        (lambda document: document["sites"][0]["steps"][0].update(more=1), r"steps\[0\].more' is unknown"),
    ],
)
def test_damaged_tables_are_refused(tmp_path: Path, edit: Callable[[Any], object], problem: str) -> None:
    path = tmp_path / "m.zapcosts.json"
    save_costs(replace(WANTED, sites=(SITE,)), path)
    assert load_costs(path) == replace(WANTED, sites=(SITE,))
    document = json.loads(path.read_text())
    edit(document)
    path.write_text(json.dumps(document))
    with pytest.raises(ArtifactError, match=problem):
        load_costs(path)


@pytest.mark.parametrize("content", [b"", b"{", b"\x89PNG"])
def test_foreign_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.zapcosts.json"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match="not valid JSON"):
        load_costs(path)
    with pytest.raises(ArtifactError, match="cannot be read"):
        load_costs(tmp_path)
