from pathlib import Path

import numpy as np
import onnx
import pytest

from benchmarks.memory import session_costs
from zaponnx.models import save_model

WEIGHTS_MIB = 64


@pytest.fixture
def models(tmp_path: Path) -> dict[str, Path]:
    """A model with large weights and one with next to none."""
    sizes = {"large": WEIGHTS_MIB * 2**20 // 4, "small": 1}
    for name, size in sizes.items():
        text = f"""<ir_version: 8, opset_import: ["": 17]>
        sums (float[N, {size}] input) => (float[N, {size}] output) {{ output = Add (input, W) }}"""
        model = onnx.parser.parse_model(text)
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.ones(size, np.float32), "W"))
        save_model(model, tmp_path / f"{name}.onnx")
    return {name: tmp_path / f"{name}.onnx" for name in sizes}


def test_memory_is_the_sessions_own(models: dict[str, Path]) -> None:
    ballast = np.ones(2 * WEIGHTS_MIB * 2**20 // 4, np.float32)  # of this process, which must not count
    costs = session_costs(models, repetitions=1)
    assert costs["large"].peak_mb > WEIGHTS_MIB
    assert costs["small"].peak_mb < WEIGHTS_MIB < costs["small"].process_peak_mb + ballast.nbytes / 2**20
    assert all(cost.creation_ms > 0 for cost in costs.values())
