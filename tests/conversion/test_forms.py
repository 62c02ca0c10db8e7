"""Forms of sites of old converters, through the whole flow: calibrate, fit, convert, inspect."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from zaponnx.artifact_files import load_calibration
from zaponnx.calib.calibration import calibrate
from zaponnx.calib.fitting import fit
from zaponnx.conversion import convert
from zaponnx.inspection import inspect
from zaponnx.models import save_model

NETWORK = """<ir_version: 3, opset_import: ["": 9]>
net (float[N,4,12,12] x) => (float[N,8] y) {
    [stem] c0 = Conv<pads=[1,1,1,1]>(x, W0) r0 = Relu(c0)
    [scaled] c1 = Conv<pads=[1,1,1,1]>(r0, W1) n1 = BatchNormalization(c1, scale, shift, mean, var)
    s = Unsqueeze<axes=[1, 2]>(factor) t = Unsqueeze<axes=[1, 2]>(shift) m1 = Mul(n1, s) a1 = Add(m1, t) r1 = Relu(a1)
    V2 = ConstantOfShape<value = float[1] {0.05}>(shape) [filled] c2 = Conv<auto_pad="SAME_UPPER">(r1, V2)
    d2, mask = Dropout(c2) r2 = Clip<min=0.0, max=6.0>(d2)
    V3 = Transpose<perm=[1, 0, 3, 2]>(W1) [added] c3 = Conv<pads=[1,1,1,1]>(r2, V3) i3 = Identity(c3)
    a3 = Sum(r1, i3) q3 = Relu(a3) r3 = Min(q3, bound)
    [small] c4 = Conv<group=8, pads=[1,1,1,1]>(r3, W4) r4 = Relu(c4)
    p = GlobalAveragePool(r4) y = Flatten(p)
}"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """An IR 3 model: all initializers are listed as inputs."""
    model = onnx.parser.parse_model(NETWORK)
    rng = np.random.default_rng(0)
    arrays = {
        "shape": np.array([8, 8, 3, 3]),
        "bound": np.array([0.5], np.float32),
        "var": rng.uniform(0.5, 2, 8).astype(np.float32),
    }
    shapes = {"W0": (8, 4, 3, 3), "W1": (8, 8, 3, 3), "W4": (8, 1, 3, 3)} | dict.fromkeys(
        ("scale", "shift", "mean", "factor"), (8,)
    )
    arrays |= {name: (rng.normal(size=shape) / 4).astype(np.float32) for name, shape in shapes.items()}
    for name, values in arrays.items():
        model.graph.initializer.append(numpy_helper.from_array(values, name))
        elem_type = helper.np_dtype_to_tensor_dtype(values.dtype)
        model.graph.input.append(helper.make_tensor_value_info(name, elem_type, values.shape))
    save_model(model, tmp_path / "m.onnx")
    return tmp_path / "m.onnx"


def test_the_whole_flow(model: Path, tmp_path: Path) -> None:
    images = np.random.default_rng(1).normal(size=(32, 4, 12, 12)).astype(np.float32)
    np.savez(tmp_path / "data.npz", x=images)
    paths = [tmp_path / name for name in ("m.zapcal", "m.zapfit.json", "m.zap.onnx")]
    layers = {layer.name: layer.status for layer in inspect(model).layers}
    assert layers == {"stem": "dense", "scaled": "site", "filled": "site", "added": "site", "small": "dense"}
    calibrate(model, f"npz:{tmp_path / 'data.npz'}", paths[0], epochs=1, refine_steps=0, batch_size=8)
    calibrated = load_calibration(paths[0])
    assert [site.output for site in calibrated.sites] == ["r1", "r2", "r3"]
    fit(*paths[:2])
    report = convert(model, *paths, epsilon=0.5)
    assert report.upgraded == "opset 9 to 13 and IR version 3 to 8"
    assert [site.output for site in report.converted] == ["r1", "r2", "r3"]
    assert [refusal.name for refusal in report.dense] == ["stem", "small"]
    assert "function bodies" in report.verification.ran
    converted = {layer.name: layer for layer in inspect(paths[2]).layers}
    assert [name for name, layer in converted.items() if layer.status == "converted"] == ["scaled", "filled", "added"]
    assert [layer.macs for layer in converted.values()] == [layer.macs for layer in inspect(model).layers]
