from pathlib import Path

import numpy as np
import pytest

from benchmarks import measuring
from benchmarks.layers import distinct_layers
from benchmarks.measuring import Bench
from benchmarks.preparing import Prepared, measured_saving
from benchmarks.timing import Effort
from zaponnx.errors import ModelError


@pytest.fixture
def bench(cache: Path, peers: list[str]) -> Bench:
    return Bench(peers, Effort(rounds=1), cache)


def test_networks(bench: Bench, parts: list[Prepared]) -> None:
    measured = bench.network(parts[0], threads=1)
    stem, layer = 8 * 32 * 32 * 27, 8 * 16 * 16 * 72
    assert (measured.subject.macs, measured.subject.predicted_macs) == (stem + 2 * layer, 2 * layer)
    assert list(measured.dense) == list(bench.peers)
    assert measured.converted.keys() == measured.savings.keys() == {"B-30.0", "D-40.0"}
    assert all(times.median_ms > 0 for times in (*measured.dense.values(), *measured.converted.values()))


def test_batches_have_savings_of_their_own(bench: Bench, parts: list[Prepared]) -> None:
    measured = bench.network(parts[1], threads=1, batch=4)
    assert (measured.subject.batch, measured.subject.predicted_macs) == (4, 4 * 2 * 8 * 16 * 16 * 72)
    converted = parts[1].converted[0]
    expected = measured_saving(converted.model, converted.calibration, parts[1].images)
    assert measured.savings["B-30.0"] == pytest.approx(expected)


def test_layers(bench: Bench, parts: list[Prepared], tmp_path: Path) -> None:
    (layer,) = distinct_layers(parts[1], tmp_path)
    measured = bench.layer(parts[1], layer, threads=2)
    assert (measured.subject.layer, measured.subject.count, measured.threads) == (layer.shape, 2, 2)
    assert measured.converted.keys() == layer.converted.keys()


def test_concurrent_sessions(bench: Bench, parts: list[Prepared]) -> None:
    models = {each.point.name: each.model for each in parts[0].converted}
    measured = bench.concurrent(parts[0], models, sessions=2)
    assert (measured.threads, measured.sessions) == (1, 2)
    assert (list(measured.dense), list(measured.converted)) == (["onnxruntime"], ["B-30.0", "D-40.0"])


def test_peers_that_compute_something_else_are_refused(
    bench: Bench, parts: list[Prepared], monkeypatch: pytest.MonkeyPatch
) -> None:
    right = measuring.contender

    def wrong(peer: str, *arguments: object) -> object:
        run = right(peer, *arguments)
        return run if peer == "onnxruntime" else lambda: run() * np.float32(1.01)

    monkeypatch.setattr(measuring, "contender", wrong)
    if len(bench.peers) == 1:
        pytest.skip("there is no other peer")
    with pytest.raises(ModelError, match="output differs from ONNX Runtime's by"):
        bench.network(parts[0], threads=1)


def test_layers_whose_kernel_is_wrong_are_refused(
    bench: Bench, parts: list[Prepared], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (layer,) = distinct_layers(parts[1], tmp_path)
    right = measuring.contender
    monkeypatch.setattr(measuring, "contender", lambda *arguments: lambda: right(*arguments)() + np.float32(0.1))
    with pytest.raises(ModelError, match="differ from the function body's"):
        bench.layer(parts[1], layer, threads=1)
