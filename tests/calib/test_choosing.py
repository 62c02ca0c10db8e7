"""fit that chooses a point by running models: the search, what is kept, what is refused.

Accuracies and times are made up: a model that skips more by its thresholds loses more top-1 and is faster, so that it
is known which point is right.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

import zaponnx
from zaponnx import tables
from zaponnx.artifact_files import load_fit, save_calibration
from zaponnx.artifacts import MAGNITUDES, Calibration, OperatingPoint, Predictor, SiteCalibration
from zaponnx.calib import running
from zaponnx.calib.fitting import fit
from zaponnx.errors import ArtifactError, DataError, InvalidArgument, ModelError
from zaponnx.graph.converted import attributes, dense_output, read_metadata, zap_convs
from zaponnx.models import load_model, model_sha256
from zaponnx.patterns import Pattern
from zaponnx.stopwatch import PairedTimes

TOP1, DENSE_MS = 0.9, 10.0


def skipped(thresholds: Sequence[float]) -> float:
    """From 0 to 1; it grows with every threshold."""
    return float(np.clip(thresholds, -2, 2).mean() + 2) / 4


def lost(thresholds: Sequence[float]) -> float:
    """The top-1 that the small network's one site loses."""
    return 0.4 * skipped(thresholds)


def gained(thresholds: Sequence[float]) -> float:
    """The milliseconds that it gains."""
    return 4 * skipped(thresholds) - 1


class Evaluations:
    """A stand-in for `eval`: of a converted model as above; interrupted after so many, if any number is given."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.interrupt_after = -1
        self.lost_in_full = 0.0

    def __call__(self, models: Sequence[Path], data: str, **options: Any) -> Any:
        if len(self.calls) == self.interrupt_after:
            raise KeyboardInterrupt
        self.calls.append({"data": data, **options})
        nodes = zap_convs(load_model(models[0], "test"))
        top1 = TOP1 - (self.lost(attributes(nodes[0])) if nodes else 0.0)
        return SimpleNamespace(models=[SimpleNamespace(top1=top1)])

    def lost(self, values: Mapping[str, Any]) -> float:
        return self.lost_in_full if values["pattern"] == [1] else lost(values["threshold"])


class FakeStopwatch:
    """The site gains as above, or `in_full`; the model gains `bonus` more."""

    in_full = -1.0
    bonus = 0.0
    models = 0
    threads = 0
    providers: Any = None

    def __init__(self, path: Path, dense: Any, tensors: Any, feeds: Any, threads: int, providers: Any) -> None:
        FakeStopwatch.threads, FakeStopwatch.providers = threads, providers

    def sites(
        self, converted: onnx.ModelProto, outputs: Sequence[str], alone: Callable[[str], onnx.ModelProto]
    ) -> dict[str, PairedTimes]:
        return {dense_output(node): times(self.gain(node)) for node in zap_convs(converted)}

    def model(self, converted: onnx.ModelProto) -> PairedTimes:
        FakeStopwatch.models += 1
        nodes = zap_convs(converted)
        return times(sum(map(self.gain, nodes)) + self.bonus if nodes else 0.0)

    def gain(self, node: onnx.NodeProto) -> float:
        values = attributes(node)
        return self.in_full if values["pattern"] == [1] else gained(values["threshold"])


def times(gain: float) -> PairedTimes:
    return PairedTimes(DENSE_MS, DENSE_MS - gain, gain, 0.01)


@pytest.fixture
def evaluations(monkeypatch: pytest.MonkeyPatch) -> Evaluations:
    made = Evaluations()
    monkeypatch.setattr(running, "eval", made)
    return made


@pytest.fixture
def stopwatch(monkeypatch: pytest.MonkeyPatch) -> type[FakeStopwatch]:
    for name, value in (("in_full", -1.0), ("bonus", 0.0), ("models", 0), ("threads", 0)):
        monkeypatch.setattr(FakeStopwatch, name, value)
    monkeypatch.setattr(running, "Stopwatch", FakeStopwatch)
    return FakeStopwatch


@pytest.fixture(scope="module")
def calibration(small, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A calibration of the small network's site with histograms so even that the points lie close together."""
    generator = np.random.default_rng(0)
    edges = np.linspace(-1.5, 1.5, 65).astype(np.float32)
    shapes = ((8, 1, 3, 3), (8,), (8, 1, 3, 3), (8,))
    counts = generator.integers(1, 5, (8, 66)).astype(np.int64)
    values = counts * np.linspace(0, 1, 66) ** 2 * generator.uniform(0.5, 1.5, (8, 1))
    site = SiteCalibration(
        name="middle",
        output="active",
        channels=8,
        macs_per_output=72,
        predictor=Predictor(*(generator.normal(size=shape).astype(np.float32) for shape in shapes)),
        counts=counts,
        values=values,
        total_value=float(values.sum()) * 2,
        outputs=int(counts.sum()) * 2,
        samples=1,
        magnitudes=np.concatenate([counts.sum(axis=0)[None], np.zeros((MAGNITUDES - 1, 66), np.int64)]),
    )
    settings = {"data": "random", "split": "calibration", "samples": 16}
    path = tmp_path_factory.mktemp("choosing") / "model.zapcal"
    save_calibration(Calibration(model_sha256(small.model), Pattern.parse("B"), edges, (site,), settings), path)
    return path


@pytest.fixture
def labelled(tmp_path: Path) -> str:
    """A SPEC of eight samples with labels for the small network."""
    samples = np.random.default_rng(0).standard_normal((8, 3, 12, 12)).astype(np.float32)
    np.savez(tmp_path / "held.npz", input=samples, labels=np.arange(8) % 5)
    return f"npz:{tmp_path / 'held.npz'}"


@pytest.fixture
def by_drop(calibration: Path, small, labelled: str, tmp_path: Path) -> dict[str, Any]:
    """The arguments of a search by accuracy."""
    output = tmp_path / "m.zapfit.json"
    return {"calibration": calibration, "output": output, "model": small.model, "data": labelled}


@pytest.fixture
def by_time(calibration: Path, small, tmp_path: Path) -> dict[str, Any]:
    """The arguments of a search by time."""
    output = tmp_path / "m.zapfit.json"
    arguments = {"calibration": calibration, "output": output, "model": small.model, "data": "random"}
    return arguments | {"threads": 1}


def only(point: OperatingPoint) -> tuple[float, ...]:
    """The thresholds of its one site."""
    (thresholds,) = point.thresholds.values()
    return thresholds


def left(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@pytest.mark.parametrize("budget", [{"epsilon": 0.1}, {"mac_saving": 0.2}])
def test_a_point_of_the_fit_needs_no_model(calibration: Path, small, tmp_path: Path, budget: dict[str, float]) -> None:
    output, direct, chosen = (tmp_path / name for name in ("m.zapfit.json", "direct.onnx", "chosen.onnx"))
    found = fit(calibration, output, **budget, model=small.model)
    assert load_fit(output) == found
    assert found.chosen.goal.to_json() == budget
    assert (found.chosen.trials, found.chosen.data, found.budget_missed) == ((), None, "")
    files = {"model": small.model, "calibration": calibration, "fit": output}
    zaponnx.convert(**files, output=direct, **budget)
    zaponnx.convert(**files, output=chosen)
    first, second = (load_model(path, "test") for path in (direct, chosen))
    assert first.graph == second.graph
    assert json.loads(read_metadata(second)["chosen_for"]) == budget
    assert "chosen_for" not in read_metadata(first)


def test_the_last_point_within_the_drop_is_found_with_few_evaluations(by_drop, evaluations, tmp_path: Path) -> None:
    found = fit(**by_drop, max_drop=0.2)
    losses = [lost(only(point)) for point in found.points]
    within = [point for point, loss in zip(found.points, losses, strict=True) if loss <= 0.2]
    assert losses == sorted(losses)
    assert 3 < len(within) < len(found.points)
    assert found.chosen.point == within[-1]
    assert len(evaluations.calls) == len(found.chosen.trials) <= 1 + math.ceil(math.log2(len(found.points) + 1))
    assert found.chosen.trials[0].top1 == TOP1
    assert found.chosen.trials[0].mac_saved == 0
    assert (found.chosen.data.data, found.chosen.data.samples) == (by_drop["data"], 8)
    assert found.note == found.budget_missed == ""
    assert load_fit(by_drop["output"]) == found
    assert left(tmp_path) == ["held.npz", "m.zapfit.json"]
    text = tables.fit(found)
    assert text.count("%  ") >= len(found.chosen.trials)
    assert f"chosen for max-drop 0.2: {found.chosen.point.mac_saved:.2%} of the MACs saved" in text
    assert f"searched on {by_drop['data']}, 8 samples\ncalibrated on random (calibration)" in text
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["chosen"]["goal"] == {"max_drop": 0.2}


def test_what_costs_nothing_is_taken_whole(by_drop, evaluations) -> None:
    found = fit(**by_drop, max_drop=1.0)
    assert found.chosen.point == found.points[-1]
    assert found.budget_missed == ""


def test_a_drop_that_no_point_keeps_is_missed_and_the_first_point_written(
    calibration: Path, by_drop, evaluations, small, tmp_path
) -> None:
    """And the first point written, by `convert`, too, which says so."""
    found = fit(**by_drop, max_drop=0.0)
    assert found.chosen.point == found.points[0]
    assert found.budget_missed.startswith("even the point with the least error, which saves ")
    assert f"BUDGET MISSED: {found.budget_missed}" in tables.fit(found)
    report = zaponnx.convert(small.model, calibration, by_drop["output"], tmp_path / "m.zap.onnx")
    assert report.budget_missed == found.budget_missed
    assert (tmp_path / "m.zap.onnx").exists()


@pytest.mark.parametrize("after", [1, 3, 5])
def test_an_interrupted_search_goes_on_where_it_was(
    by_drop, evaluations, tmp_path: Path, caplog: pytest.LogCaptureFixture, after: int
) -> None:
    whole = fit(**by_drop, max_drop=0.2)
    content, needed = by_drop["output"].read_bytes(), len(evaluations.calls)
    by_drop["output"].unlink()
    evaluations.calls.clear()
    evaluations.interrupt_after = after
    with pytest.raises(KeyboardInterrupt):
        fit(**by_drop, max_drop=0.2)
    assert left(tmp_path) == ["held.npz", "m.zapfit.json.partial"]
    evaluations.interrupt_after = -1
    assert fit(**by_drop, max_drop=0.2) == whole
    assert "going on from" in caplog.text
    assert f"in which {after} models are done" in caplog.text
    assert len(evaluations.calls) == needed
    assert by_drop["output"].read_bytes() == content
    assert left(tmp_path) == ["held.npz", "m.zapfit.json"]


def test_a_search_for_another_drop_uses_what_was_evaluated_and_other_settings_do_not(
    by_drop, evaluations, caplog: pytest.LogCaptureFixture
) -> None:
    for interrupt_after, options in (
        (4, {"max_drop": 0.2}),
        (4, {"max_drop": 0.1}),
        (8, {"max_drop": 0.1, "samples": 4}),
    ):
        evaluations.interrupt_after = interrupt_after
        with pytest.raises(KeyboardInterrupt):
            fit(**by_drop, **options)
    assert caplog.text.count("in which 4 models are done") == 1
    assert "m.zapfit.json.partial is of another data: starting anew" in caplog.text
    assert evaluations.calls[-1]["samples"] == 4


def test_a_damaged_partial_file_starts_anew(by_drop, evaluations, caplog: pytest.LogCaptureFixture) -> None:
    partial = by_drop["output"].with_name("m.zapfit.json.partial")
    partial.write_bytes(b"damaged")
    assert fit(**by_drop, max_drop=0.2).chosen
    assert "m.zapfit.json.partial is damaged, or another version's: starting anew" in caplog.text
    assert not partial.exists()


def test_evaluations_are_as_asked_for(by_drop, evaluations) -> None:
    fit(**by_drop, max_drop=0.2, samples=4, batch_size=3, workers=1, providers=["cpu"])
    expected = {"samples": 4, "batch_size": 3, "workers": 1, "providers": ["cpu"], "split": "calibration"}
    assert all(call.items() >= expected.items() for call in evaluations.calls)


def test_the_sigmoids_points_can_be_searched_too(by_drop, evaluations) -> None:
    found = fit(**by_drop, method="sigmoid", max_drop=0.2)
    assert 0 < lost(only(found.chosen.point)) <= 0.2
    assert found.chosen.point in found.points


def test_search_data_that_calibrated_are_noted(small, by_drop, evaluations, caplog: pytest.LogCaptureFixture) -> None:
    """In the report and on stderr; the converted model tells `eval`, whose report says it."""
    calibration = by_drop["output"].with_name("same.zapcal")
    zaponnx.calibrate(small.model, by_drop["data"], calibration, epochs=1)
    found = fit(**by_drop | {"calibration": calibration}, max_drop=0.2)
    note = f"the drop was measured on {by_drop['data']}, which calibrated the predictors, too"
    assert found.note.startswith(note)
    assert note in caplog.text
    assert f"NOTE: {note}" in tables.fit(found)
    assert found.to_json()["note"] == found.note
    converted = by_drop["output"].with_name("m.zap.onnx")
    zaponnx.convert(small.model, calibration, by_drop["output"], converted)
    evaluation = zaponnx.eval([small.model, converted], by_drop["data"])
    assert [note.partition(" on ")[0] for note in evaluation.notes] == [
        f"{converted} was calibrated",
        f"{converted} was chosen by its accuracy",
    ]
    assert "NOTE: " in tables.evaluate(evaluation)
    assert zaponnx.eval([converted], "random", samples=4).notes == ()


def test_a_converted_model_goes_back_to_the_chosen_point(
    calibration: Path, by_drop, evaluations, small, tmp_path: Path
) -> None:
    fit(**by_drop, max_drop=0.2)
    first, other, back = (tmp_path / f"{name}.zap.onnx" for name in ("first", "other", "back"))
    zaponnx.convert(small.model, calibration, by_drop["output"], first)
    zaponnx.retune(first, other, epsilon=0.0)
    zaponnx.retune(other, back)
    assert back.read_bytes() == first.read_bytes() != other.read_bytes()
    inspection = zaponnx.inspect(other)
    assert inspection.retuning.chosen_for == "max-drop 0.2"
    assert f"{inspection.retuning.chosen_mac_saved:.2%}, for max-drop 0.2" in tables.inspect(inspection)


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


def test_layers_are_timed_once(by_time, stopwatch, monkeypatch: pytest.MonkeyPatch) -> None:
    fit(**by_time, latency=8.5)

    def forbidden(*arguments: Any) -> Any:
        raise AssertionError("the layers are timed again")

    monkeypatch.setattr(FakeStopwatch, "sites", forbidden)
    assert fit(**by_time, latency=8.0).budget_missed == ""
    with pytest.raises(ArtifactError, match=r"m\.zapcosts\.json: its times are of threads 1, not 2; remove"):
        fit(**by_time | {"threads": 2}, latency=8.0)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"model": "MODEL"}, "--model is for choosing a point only"),
        ({"epsilon": 0.1, "data": "random"}, "--data is for max-drop, latency and min-latency only"),
        ({"epsilon": 0.1, "split": "test"}, "--split is for"),
        ({"epsilon": 0.1, "max_drop": 0.1}, "epsilon and max-drop are given"),
        ({"max_drop": 0.1}, "need models to be run; give the dense model with --model, and data with --data"),
        ({"latency": 1.0, "model": "MODEL"}, "need models to be run"),
        (
            {"max_drop": 0.1, "model": "MODEL", "data": "random", "threads": 1},
            "--threads is for latency",
        ),
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


def test_on_the_command_line(calibration: Path, invoke, by_drop, small, tmp_path: Path, evaluations) -> None:
    arguments = [calibration, "-o", by_drop["output"], "--model", small.model, "--data", by_drop["data"]]
    result = invoke("fit", *arguments, "--max-drop", 0.2, "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["chosen"]["goal"] == {"max_drop": 0.2}
    missed = invoke("fit", *arguments, "--max-drop", 0)
    assert missed.exit_code == 3
    assert "BUDGET MISSED" in missed.stdout
    assert "budget missed" in missed.stderr
    assert load_fit(by_drop["output"]).budget_missed


def test_inputs_and_tables_are_not_written_over(calibration: Path, by_time, small) -> None:
    with pytest.raises(InvalidArgument, match="the output is also an input"):
        fit(**by_time | {"output": small.model}, latency=8.0)
    with pytest.raises(InvalidArgument, match="the output is also an input"):
        fit(**by_time | {"costs": by_time["output"]}, latency=8.0)
    with pytest.raises(InvalidArgument, match="the output is also an input"):
        fit(**by_time | {"costs": calibration}, latency=8.0)


def test_a_drop_that_only_the_dense_model_keeps_has_it_as_the_fastest(by_drop, evaluations, stopwatch) -> None:
    """Where even to compute all outputs in another way loses something."""
    stopwatch.in_full = 2.0
    found = fit(**by_drop, min_latency=True, max_drop=0.0)
    assert (only(found.chosen.point), found.chosen.winograd) == ((-math.inf,) * 8, ("active",))
    evaluations.lost_in_full = 0.01
    found = fit(**by_drop, min_latency=True, max_drop=0.0)
    assert (only(found.chosen.point), found.chosen.winograd) == ((-math.inf,) * 8, ())
    assert found.budget_missed == ""
