"""export: torch modules as ONNX files."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from zaponnx.calib import exporting
from zaponnx.calib.data.presets import recorded_weights
from zaponnx.calib.exporting import export
from zaponnx.calib.networks import torchvision_weights
from zaponnx.calib.torchvision_compat import torchvision_models
from zaponnx.errors import InvalidArgument, ModelError, RuntimeUnavailable

MODULE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.norm(self.conv(x)).relu().mean((2, 3)))

class Noisy(Net):
    def forward(self, x):
        return super().forward(x) + torch.rand(2)

class Branching(Net):
    def forward(self, x):
        return super().forward(x) if x.sum() > 0 else super().forward(-x)

class Pair(Net):
    def forward(self, left, right):
        return super().forward(left + right)

class Named(Net):
    def forward(self, x):
        return {"scores": super().forward(x), "name": "net"}

class Silent(Net):
    def forward(self, x):
        super().forward(x)

class Several(Net):
    def forward(self, x):
        y = super().forward(x)
        return {"scores": y, "aux": None, "best": y.argmax(1), "any": y > 0}

class Diverging(Net):
    def forward(self, x):
        return super().forward(x), (x.mean((1, 2, 3)) - 9).log()

def text():
    return "no module"

def leaving():
    raise SystemExit("gone")

def failing():
    raise ZeroDivisionError("on purpose")
"""
SHAPE = (1, 3, 8, 8)


@pytest.fixture(autouse=True)
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current directory with networks.py in it, which is not on the import path otherwise."""
    (tmp_path / "networks_to_export.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def export_net(name: str = "Net", **options: Any) -> onnx.ModelProto:
    export(f"networks_to_export:{name}", Path("model.onnx"), **{"input_shape": SHAPE, **options})
    return onnx.load_model("model.onnx")


def test_a_factory_of_the_current_directory_with_a_dynamic_batch() -> None:
    report = export("networks_to_export:Net", Path("model.onnx"), input_shape=SHAPE)
    model = onnx.load_model("model.onnx")
    assert [value.name for value in (*model.graph.input, *model.graph.output)] == ["input", "output"]
    assert {"conv", "head"} <= {node.name for node in model.graph.node}
    assert model.opset_import[0].version == report.opset == 18
    session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
    assert session.run(None, {"input": np.zeros((5, 3, 8, 8), np.float32)})[0].shape == (5, 2)
    assert report.parameters == 3 * 4 * 9 + 4 + 8 + 10
    assert report.to_json()["output"] == "model.onnx"


def test_the_file_holds_no_local_paths() -> None:
    export_net()
    assert b"site-packages" not in Path("model.onnx").read_bytes()
    assert b"networks_to_export.py" not in Path("model.onnx").read_bytes()


def test_a_static_batch_and_another_opset() -> None:
    model = export_net(static_batch=True, opset=20, input_shape=(2, 3, 8, 8))
    assert [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim] == [2, 3, 8, 8]
    assert model.opset_import[0].version == 20


def test_the_seed_decides_the_weights() -> None:
    first, second, third = (export_net(seed=seed).SerializeToString() for seed in (1, 1, 2))
    assert first == second
    assert first != third


def test_a_state_dict_is_loaded(working_directory: Path) -> None:
    export_net()
    from networks_to_export import Net  # imported by the export

    network = Net()
    torch.save(network.state_dict(), "weights.pt")
    export_net(weights="weights.pt")
    session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
    image = np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32)
    expected = network.eval()(torch.from_numpy(image)).detach().numpy()
    np.testing.assert_allclose(session.run(None, {"input": image})[0], expected, atol=1e-5)


def test_a_torchvision_model() -> None:
    """It says which weights it has: those that torchvision publishes under the file's name."""
    weights = "squeezenet1_1-b8a52dc0.pth"
    torch.save(torchvision_models().squeezenet1_1().state_dict(), weights)
    report = export("squeezenet1_1", Path("model.onnx"), weights=weights, input_shape=(1, 3, 64, 64))
    assert report.parameters == 1_235_496
    model = onnx.load_model("model.onnx")
    assert "features.3.expand3x3" in {node.name for node in model.graph.node}
    assert recorded_weights(model) == "SqueezeNet1_1_Weights.IMAGENET1K_V1"


@pytest.mark.parametrize(
    ("source", "weights", "name"),
    [
        ("resnet50", "DEFAULT", "ResNet50_Weights.IMAGENET1K_V2"),
        ("resnet50", "some/resnet50-0676ba61.pth", "ResNet50_Weights.IMAGENET1K_V1"),
        ("resnet50", "mine.pth", None),
        ("resnet50", None, None),
        ("digits", "resnet50-0676ba61.pth", None),
    ],
)
def test_names_of_torchvisions_weights(source: str, weights: str | None, name: str | None) -> None:
    assert torchvision_weights(source, weights) == name


def test_weights_that_cannot_be_read(working_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    Path("weights.pt").touch()
    monkeypatch.setattr(torch, "load", refuse)
    with pytest.raises(ModelError, match=r"weights.pt: cannot be read \(Permission denied\)"):
        export_net(weights="weights.pt")


def test_default_weights_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    torchvision_models()  # makes torchvision importable

    def refuse(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refuse)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", refuse)
    with pytest.raises(RuntimeUnavailable, match=r"squeezenet1_1's weights \(no route to host\); check the network"):
        export("squeezenet1_1", Path("model.onnx"), weights="DEFAULT")


def test_a_model_that_gives_other_outputs_than_torch_is_not_written() -> None:
    with pytest.raises(ModelError, match="outputs differ from torch's by"):
        export_net("Noisy")
    assert not Path("model.onnx").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("text", "returns a str, not a torch.nn.Module"),
        ("failing", "fails with ZeroDivisionError: on purpose"),
        ("leaving", "fails with SystemExit: gone"),
        ("Branching", "torch cannot export the network"),
        ("Pair", r"fails on an input of \[1, 3, 8, 8\] with TypeError: .*'right'; --input-shape must be"),
        ("Named", "the network returns a str, not tensors alone"),
        ("Silent", "the network returns no tensor"),
        ("Diverging", "the exported model's outputs differ from torch's by inf"),
    ],
)
def test_what_is_no_network_or_cannot_be_exported(name: str, message: str) -> None:
    with pytest.raises(ModelError, match=f"networks_to_export:{name}: {message}"):
        export_net(name)
    assert not list(Path.cwd().glob("*.onnx*"))


@pytest.mark.parametrize(
    ("shape", "message"),
    [((1, 2, 8, 8), "with RuntimeError: .*to have 3 channels, but got 2"), ((1, 3), "with RuntimeError: ")],
)
def test_an_input_that_the_network_does_not_take(shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        export_net(input_shape=shape)


def test_an_image_that_is_too_small_for_alexnet() -> None:
    with pytest.raises(ModelError, match=r"alexnet: fails on an input of \[1, 3, 16, 16\] with RuntimeError: "):
        export("alexnet", Path("model.onnx"), input_shape=(1, 3, 16, 16))


def test_outputs_of_all_types_are_compared_and_none_is_no_output() -> None:
    assert [value.type.tensor_type.elem_type for value in export_net("Several").graph.output] == [
        onnx.TensorProto.FLOAT,
        onnx.TensorProto.INT64,
        onnx.TensorProto.BOOL,
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("def make(:", "fails with SyntaxError"),
        ("1 / 0", "fails with ZeroDivisionError"),
        ("exit(1)", "fails with SystemE"),
    ],
)
def test_a_module_that_does_not_run(content: str, message: str, tmp_path: Path) -> None:
    name = f"broken_{message.split()[-1]}"
    (tmp_path / f"{name}.py").write_text(content)
    with pytest.raises(ModelError, match=f"{name}:make: its module {message}"):
        export(f"{name}:make", Path("model.onnx"))


def test_a_file_that_is_invalid_or_does_not_run_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(change: Callable[[onnx.ModelProto], None]) -> None:
        monkeypatch.setattr(exporting, "_tidy", change)

    spoil(lambda model: model.graph.node[0].input.append("nowhere"))
    with pytest.raises(ModelError, match="networks_to_export:Net: torch exports an invalid model"):
        export_net()
    spoil(lambda model: setattr(model, "ir_version", 99))
    with pytest.raises(ModelError, match="networks_to_export:Net: "):
        export_net()
    assert not list(Path.cwd().glob("*.onnx*"))


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("resnt18", {}, "unknown source 'resnt18'; did you mean resnet18"),
        ("networks_to_export:Nothing", {}, "has no attribute 'Nothing'"),
        ("no_such_module:Net", {}, "No module named 'no_such_module'"),
        ("networks_to_export:Net", {"weights": "nowhere.pt"}, "there is no file 'nowhere.pt'"),
        ("networks_to_export:Net", {"weights": "DEFAULT"}, "has no default weights"),
        ("networks_to_export:Net", {"opset": 17}, "cannot write opset 17; use one from 18 to"),
        ("networks_to_export:Net", {"input_shape": (1, 0, 8, 8)}, "is not a batch"),
        ("digits", {"input_shape": (1, 1, 8, 8)}, r"the digits network takes \[1, 3, 32, 32\] only"),
    ],
)
def test_arguments_that_cannot_be_right(source: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        export(source, Path("model.onnx"), **options)
    assert not Path("model.onnx").exists()


class Payload:
    """Would run code when unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("unpickled",)


def test_weights_are_never_unpickled(capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"conv.weight": Payload()}, "weights.pt")
    Path("plain.pkl").write_bytes(pickle.dumps(Payload(), protocol=2))
    for name in ("weights.pt", "plain.pkl"):
        with pytest.raises(ModelError, match="is no state dict, or holds more than tensors"):
            export_net(weights=name)
    assert "unpickled" not in capsys.readouterr().out


def test_weights_of_another_network() -> None:
    torch.save({"other.weight": torch.zeros(2)}, "weights.pt")
    with pytest.raises(ModelError, match="Missing key"):
        export_net(weights="weights.pt")
