"""fit --latency and --min-latency: the point that is found, by times that are made up, and once by real ones."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

import zaponnx
from tests.calib.choosing.stand_ins import DENSE_MS, FakeStopwatch, gained, left, lost, only
from zaponnx import tables
from zaponnx.artifact_files import load_fit
from zaponnx.calib.fitting import fit
from zaponnx.errors import ArtifactError
from zaponnx.graph.converted import attributes, zap_convs
from zaponnx.models import load_model


def test_the_least_error_that_is_fast_enough_is_found(
    calibration: Path, by_time, stopwatch, small, tmp_path: Path
) -> None:
    found = fit(**by_time, latency=8.5)
    assert 1.5 <= gained(only(found.chosen.point)) < 1.7
    assert found.budget_missed == ""
    assert found.chosen.conditions.threads == stopwatch.threads == 1
    assert (found.chosen.conditions.device, stopwatch.providers) == ("", None)
    assert found.chosen.data.split == "calibration"
    assert all(trial.times.dense_ms == DENSE_MS for trial in found.chosen.trials)
    assert stopwatch.models == len(found.chosen.trials) <= 7
    assert left(tmp_path) == ["m.zapcosts.json", "m.zapfit.json"]
    assert f"timed with 1 threads on {found.chosen.conditions.cpu}, batch 1" in tables.fit(found)
    zaponnx.convert(small.model, calibration, by_time["output"], tmp_path / "m.zap.onnx")
    (node,) = zap_convs(load_model(tmp_path / "m.zap.onnx", "test"))
    assert gained(attributes(node)["threshold"]) == pytest.approx(gained(only(found.chosen.point)))


def test_another_provider_is_timed_and_has_no_winograd(by_time, stopwatch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though computing in full would be fastest; this provider has no kernels, so that the CPU's run."""
    monkeypatch.setattr(FakeStopwatch, "in_full", 9.0)
    azure = ["AzureExecutionProvider", "cpu"]
    found = fit(**by_time, latency=8.5, providers=azure)
    assert stopwatch.providers == azure
    assert (found.chosen.winograd, found.chosen.conditions.device) == ((), "AzureExecutionProvider")
    assert "on AzureExecutionProvider, batch 1" in tables.fit(found)
    assert load_fit(by_time["output"]) == found
    with pytest.raises(ArtifactError, match=r"its times are of device AzureExecutionProvider, not none; remove"):
        fit(**by_time, latency=8.5)


def test_a_latency_that_is_not_reached_is_missed_with_the_fastest_written(by_time, stopwatch) -> None:
    found = fit(**by_time, latency=5.0)
    assert only(found.chosen.point) == (math.inf,) * 8
    assert found.budget_missed == "the fastest model that was tried takes 7.000 ms, and not 5 at most"


def test_what_is_no_faster_than_the_dense_model_stays_dense(
    calibration: Path, by_time, stopwatch, small, tmp_path: Path
) -> None:
    """Although a table says otherwise of each layer."""
    stopwatch.bonus = -4.0
    found = fit(**by_time, latency=5.0)
    assert only(found.chosen.point) == (-math.inf,) * 8
    assert found.budget_missed == "nothing is faster than the dense model, which takes 10.000 ms"
    zaponnx.convert(small.model, calibration, by_time["output"], tmp_path / "m.zap.onnx")
    assert not zap_convs(load_model(tmp_path / "m.zap.onnx", "test"))


def test_where_the_dense_model_is_fast_enough_nothing_is_skipped(by_time, stopwatch) -> None:
    found = fit(**by_time, latency=20.0)
    assert only(found.chosen.point) == (-math.inf,) * 8
    assert (found.chosen.winograd, found.budget_missed) == ((), "")
    assert "that is the dense model" in tables.fit(found)


def test_a_site_in_full_is_converted_so_and_tuned_from_there(
    calibration: Path, by_time, stopwatch, small, tmp_path: Path
) -> None:
    stopwatch.in_full = 2.0
    found = fit(**by_time, latency=8.5)
    assert only(found.chosen.point) == (-math.inf,) * 8
    assert found.chosen.winograd == ("active",)
    assert "1 layers in full by Winograd's" in tables.fit(found)
    report = zaponnx.convert(small.model, calibration, by_time["output"], tmp_path / "m.zap.onnx")
    assert [site.in_full for site in report.converted] == [True]
    zaponnx.retune(tmp_path / "m.zap.onnx", tmp_path / "again.zap.onnx")
    assert (tmp_path / "again.zap.onnx").read_bytes() == (tmp_path / "m.zap.onnx").read_bytes()


def test_the_fastest_within_an_error(by_time, stopwatch) -> None:
    """Skipping if that is faster, in full if not."""
    found = fit(**by_time, min_latency=True, epsilon=0.5)
    assert 0 < found.chosen.point.error <= found.chosen.point.epsilon == 0.5
    assert gained(only(found.chosen.point)) > 0
    stopwatch.in_full, gain = 2.0, gained(only(found.chosen.point))
    again = fit(**by_time | {"costs": by_time["output"].with_name("again.json")}, min_latency=True, epsilon=0.5)
    assert (again.chosen.winograd == ("active",)) == (gain < 2.0)


def test_the_fastest_within_a_drop(by_drop, evaluations, stopwatch) -> None:
    found = fit(**by_drop, min_latency=True, max_drop=0.2)
    assert 0.19 < lost(only(found.chosen.point)) <= 0.2
    assert [trial.top1 is None for trial in found.chosen.trials] == [False] * (len(found.chosen.trials) - 1) + [True]
    assert found.chosen.conditions


def test_a_drop_that_only_the_dense_model_keeps_has_it_as_the_fastest(by_drop, evaluations, stopwatch) -> None:
    """Where even to compute all outputs in another way loses something."""
    stopwatch.in_full = 2.0
    found = fit(**by_drop, min_latency=True, max_drop=0.0)
    assert (only(found.chosen.point), found.chosen.winograd) == ((-math.inf,) * 8, ("active",))
    evaluations.lost_in_full = 0.01
    found = fit(**by_drop, min_latency=True, max_drop=0.0)
    assert (only(found.chosen.point), found.chosen.winograd) == ((-math.inf,) * 8, ())
    assert found.budget_missed == ""


def test_layers_are_timed_once(by_time, stopwatch, monkeypatch: pytest.MonkeyPatch) -> None:
    fit(**by_time, latency=8.5)

    def forbidden(*arguments: Any) -> Any:
        raise AssertionError("the layers are timed again")

    monkeypatch.setattr(FakeStopwatch, "sites", forbidden)
    assert fit(**by_time, latency=8.0).budget_missed == ""
    with pytest.raises(ArtifactError, match=r"m\.zapcosts\.json: its times are of threads 1, not 2; remove"):
        fit(**by_time | {"threads": 2}, latency=8.0)


def test_times_are_really_taken(by_time) -> None:
    """Whatever they are, the goal is met or missed, by what was measured, and all is kept."""
    found = fit(**by_time, latency=1000.0)
    assert found.budget_missed == ""
    assert all(trial.times.converted_ms > 0 for trial in found.chosen.trials)
    table = json.loads(by_time["output"].with_name("m.zapcosts.json").read_text())
    assert [len(site["steps"]) for site in table["sites"]] == [5]
    assert table["sites"][0]["dense_ms"] > 0
    missed = fit(**by_time, latency=1e-6)
    assert missed.budget_missed
    assert load_fit(by_time["output"]) == missed
