from pathlib import Path

import numpy as np
import pytest

from benchmarks import peers
from benchmarks.peers import PEERS, contender, missing_packages
from benchmarks.preparing import Prepared
from zaponnx.runtime import InferenceSession


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("batch", [1, 3])
def test_peers_give_the_networks_output(parts: list[Prepared], cache: Path, peer: str, batch: int) -> None:
    if missing := missing_packages(peer):
        pytest.skip(f"{', '.join(missing)} not installed")
    images = parts[0].images[:batch]
    expected = InferenceSession(parts[0].dense).run(None, {"input": images})[0]
    run = contender(peer, parts[0].dense, {"input": images}, 1, cache)
    for _ in range(2):
        np.testing.assert_allclose(run().reshape(expected.shape), expected, atol=1e-4 * np.abs(expected).max())


def test_converted_models_are_run_with_the_library(parts: list[Prepared], cache: Path) -> None:
    images = {"input": parts[0].images[:1]}
    model = parts[0].converted[1].model
    expected = InferenceSession(model).run(None, images)[0]
    np.testing.assert_array_equal(contender("onnxruntime", model, images, 1, cache)(), expected)


def test_unknown_peer(parts: list[Prepared], cache: Path) -> None:
    with pytest.raises(ValueError, match="no peer 'abacus'"):
        contender("abacus", parts[0].dense, {}, 1, cache)


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "find_spec", lambda name: None if name == "pnnx" else object())
    assert [missing_packages(peer) for peer in PEERS] == [[], [], ["pnnx"]]
    monkeypatch.setattr(peers, "version", lambda name: "1")
    assert "pnnx" not in peers.peer_versions()
