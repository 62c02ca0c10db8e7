"""Paired times, and the inputs that they are taken with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from zaponnx.errors import DataError, InvalidArgument, ModelError
from zaponnx.stopwatch import BATCHES, PAIRS, Stopwatch, paired_times, read_feeds


def test_medians_are_those_of_pairs() -> None:
    """A disturbed pair counts as one, whatever its times."""
    found = paired_times([3, 4, 5, 900], [2, 2, 2, 2])
    assert (found.dense_ms, found.converted_ms, found.gain_ms) == (4.5, 2.0, 2.5)
    assert found.pays == (found.gain_ms > 2 * found.noise_ms)


def test_noise_is_the_standard_error_of_the_median() -> None:
    """As found by measuring often: 4000 times gives it to 1.1 %, and 60 pairs bias the formula by about as much."""
    generator = np.random.default_rng(0)
    found = [paired_times(generator.normal(5, 1, 60), generator.normal(4, 1, 60)) for _ in range(4000)]
    spread = np.std([each.gain_ms for each in found])
    assert np.mean([each.noise_ms for each in found]) == pytest.approx(spread, rel=0.05)
    assert np.mean([each.gain_ms for each in found]) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(("gains", "pays"), [([0.2] * 9, True), ([0.0] * 9, False), ([-1, 1, 3] * 3, False)])
def test_only_a_gain_beyond_noise_pays(gains: list[float], pays: bool) -> None:
    """Of three values 2 apart, nine times measured, the median is known to 1.2533 · 1.4826 · 2 / 3 = 1.24."""
    assert paired_times(np.array(gains) + 5, np.full(9, 5.0)).pays == pays


def test_feeds_are_whole_batches_of_the_calibration_split(small) -> None:
    model = onnx.load_model(small.model)
    feeds = read_feeds("random", model, 4, None)
    assert len(feeds) == BATCHES
    assert {feed["input"].shape for feed in feeds} == {(4, 3, 12, 12)}
    again = read_feeds("random", model, 4, None)
    assert all(np.array_equal(one["input"], two["input"]) for one, two in zip(feeds, again, strict=True))
    assert len({feed["input"].tobytes() for feed in feeds}) == BATCHES


def test_few_data_are_used_again_and_less_than_a_batch_refused(small, tmp_path: Path) -> None:
    model = onnx.load_model(small.model)
    np.savez(tmp_path / "few.npz", input=np.zeros((7, 3, 12, 12), np.float32))
    data = f"npz:{tmp_path / 'few.npz'}"
    assert [len(feed["input"]) for feed in read_feeds(data, model, 3, None)] == [3, 3]
    with pytest.raises(DataError, match=r"convert: npz:.*: there are fewer than 8 samples; give more data"):
        read_feeds(data, model, 8, None)
    with pytest.raises(InvalidArgument, match="takes no preprocessing"):
        read_feeds(data, model, 3, "none")


def test_batches_that_the_model_prescribes(small, tmp_path: Path) -> None:
    """What does not fill one is left over, and the option, which does not count, is not the remedy."""
    model = onnx.load_model(small.model)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4
    np.savez(tmp_path / "few.npz", input=np.zeros((11, 3, 12, 12), np.float32))
    assert [len(feed["input"]) for feed in read_feeds(f"npz:{tmp_path / 'few.npz'}", model, 1, None)] == [4, 4]
    np.savez(tmp_path / "fewer.npz", input=np.zeros((3, 3, 12, 12), np.float32))
    with pytest.raises(DataError, match=r"there are fewer than 4 samples; give more data$"):
        read_feeds(f"npz:{tmp_path / 'fewer.npz'}", model, 1, None)


@pytest.fixture
def stopwatch(zap_model: Path, dense_model: Path) -> Stopwatch:
    feeds = [{"X": np.full((1, 4, 8, 8), index, np.float32)} for index in range(3)]
    return Stopwatch(dense_model, onnx.load_model(dense_model), {"Y": ["convolved", "Y"]}, feeds, 1)


def test_real_times(stopwatch: Stopwatch, zap_model: Path) -> None:
    model = onnx.load_model(zap_model)
    sites = stopwatch.sites(model, ["Y"], lambda output: pytest.fail("the profile tells a site from the others"))
    assert list(sites) == ["Y"]
    for times in (sites["Y"], stopwatch.model(model)):
        assert min(times.dense_ms, times.converted_ms) > 0
        assert times.gain_ms == pytest.approx(times.dense_ms - times.converted_ms, abs=times.dense_ms)


def test_the_dense_model_is_timed_against_the_converted_one(
    stopwatch: Stopwatch, zap_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which is which, and as often as it should be: 180 ms, over and over until half a second is full."""
    asked = []

    def fake(sessions: list[object], feeds: list[object], iterations: int, warmup: int) -> tuple[list[float], ...]:
        asked.append((len(feeds), iterations, warmup))
        return tuple([1.0 + ("zap" in session.get_modelmeta().graph_name)] * iterations for session in sessions)

    monkeypatch.setattr("zaponnx.stopwatch.interleaved_times", fake)
    model = onnx.load_model(zap_model)
    model.graph.name = "zap"
    found = stopwatch.model(model)
    assert (found.dense_ms, found.converted_ms, found.gain_ms) == (1.0, 2.0, -1.0)
    assert asked == [(3, PAIRS, BATCHES)] * 3


def test_inputs_that_the_model_does_not_run_with(zap_model: Path, dense_model: Path) -> None:
    feeds = [{"X": np.zeros((1, 5, 8, 8), np.float32)}]
    broken = Stopwatch(dense_model, onnx.load_model(dense_model), {"Y": ["Y"]}, feeds, 1)
    with pytest.raises(ModelError, match=r"convert: .*tiny\.onnx: ONNX Runtime refuses it"):
        broken.model(onnx.load_model(zap_model))


def test_where_a_profile_says_nothing_whole_models_with_one_site_are_timed(
    zap_model: Path, dense_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a provider that is not the CPU: this one has no kernels, so that the CPU's run."""
    feeds, providers = [{"X": np.zeros((1, 4, 8, 8), np.float32)}], ["AzureExecutionProvider", "cpu"]
    stopwatch = Stopwatch(dense_model, onnx.load_model(dense_model), {"Y": ["convolved", "Y"]}, feeds, 1, providers)
    model, made, timed = onnx.load_model(zap_model), [], []

    def alone(output: str) -> onnx.ModelProto:
        made.append(output)
        return model

    def fake(sessions: list[object], feeds: list[object], iterations: int, warmup: int) -> tuple[list[float], ...]:
        timed.append([session.get_providers() for session in sessions])
        return [3000.0] * iterations, [2000.0] * iterations

    monkeypatch.setattr("zaponnx.stopwatch.interleaved_times", fake)
    found = stopwatch.sites(onnx.ModelProto(), ["Y", "Z"], alone)
    assert made == ["Y", "Z"]
    assert timed == [[["AzureExecutionProvider", "CPUExecutionProvider"]] * 2] * 2
    assert {output: times.gain_ms for output, times in found.items()} == {"Y": 1000.0, "Z": 1000.0}
