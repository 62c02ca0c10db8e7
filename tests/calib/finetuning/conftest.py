"""A converted model, and data to fine-tune it with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from zaponnx.graph.converted import attributes, set_thresholds, zap_convs

Labelled = Callable[..., str]


@pytest.fixture(scope="session")
def skipping(small, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small network, converted; it skips whatever is not in the pattern, so that fine-tuning has much to do."""
    model = onnx.load_model(small.converted)
    (node,) = zap_convs(model)
    assert len(attributes(node)["pattern"]) > 1
    set_thresholds(node, np.inf)
    path = tmp_path_factory.mktemp("skipping") / "model.zap.onnx"
    onnx.save_model(model, path)
    return path


@pytest.fixture
def labelled(tmp_path: Path) -> Labelled:
    """Writes data for the small network: labelled(count, **arrays) gives their SPEC."""

    def write(count: int, **arrays: np.ndarray) -> str:
        generator = np.random.default_rng(0)
        images = generator.standard_normal((count, 3, 12, 12)).astype(np.float32)
        np.savez(tmp_path / "data.npz", **{"input": images, "labels": generator.integers(0, 5, count), **arrays})
        return f"npz:{tmp_path / 'data.npz'}"

    return write
