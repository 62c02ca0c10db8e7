"""Models of one ZapConv with seeded random inputs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.formula import Array
from zaponnx.operator import DOMAIN, INPUTS, RESIDUAL, VERSION
from zaponnx.operator.body import build_body
from zaponnx.patterns import Pattern


@dataclass(frozen=True)
class Case:
    """One ZapConv with its inputs. The seed and the sizes fix everything."""

    batch: int = 2
    in_channels: int = 4
    channels: int = 6
    size: tuple[int, int] = (9, 8)
    kernel: tuple[int, int] = (3, 3)
    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (1, 1, 1, 1)
    dilations: tuple[int, int] = (1, 1)
    group: int = 1
    pattern: str = "B"
    threshold: tuple[float, ...] = (0.1,)
    bound: float = math.inf
    residual: bool = False
    nhwc: bool = False
    opset: int = 17
    poison: Mapping[str, float] = field(default_factory=dict)

    @property
    def operator(self) -> str:
        return f"ZapConv{'Residual' * self.residual}{'Nhwc' * self.nhwc}"

    def attributes(self) -> dict[str, Any]:
        pattern = Pattern.parse(self.pattern)
        return {
            "strides": list(self.strides),
            "pads": list(self.pads),
            "dilations": list(self.dilations),
            "group": self.group,
            "pattern": pattern.flat,
            "pattern_shape": list(pattern.shape),
            "threshold": list(self.threshold),
            "channels": self.channels,
            "bound": self.bound,
        }

    def output_size(self) -> tuple[int, int]:
        height, width = (
            (self.size[a] + self.pads[a] + self.pads[a + 2] - (self.kernel[a] - 1) * self.dilations[a] - 1)
            // self.strides[a]
            + 1
            for a in range(2)
        )
        return height, width

    def inputs(self) -> dict[str, Array]:
        """By name, X and Z in NCHW; the weights depend neither on the batch nor on the size."""
        rng = np.random.default_rng(7)
        m = self.channels
        shapes: dict[str, tuple[int, ...]] = {
            "W": (m, self.in_channels // self.group, *self.kernel),
            "B": (m,),
            "P1": (m, 1, 3, 3),
            "p1": (m,),
            "P2": (m, 1, 3, 3),
            "p2": (m,),
            "X": (self.batch, self.in_channels, *self.size),
            "Z": (self.batch, m, *self.output_size()),
        }
        arrays = {name: rng.normal(size=shape).astype(np.float32) * 0.5 for name, shape in shapes.items()}
        for name, value in self.poison.items():
            middle = arrays[name].size // 2
            arrays[name].flat[middle : middle + 1] = value  # none where the batch is empty
        if not self.residual:
            del arrays["Z"]
        return arrays

    def fed(self) -> dict[str, Array]:
        """X and Z in the operator's layout."""
        arrays = {name: array for name, array in self.inputs().items() if name in ("X", "Z")}
        return {name: array.transpose(0, 2, 3, 1) for name, array in arrays.items()} if self.nhwc else arrays

    def with_fed_weights(self, names: Sequence[str]) -> tuple[onnx.ModelProto, dict[str, Array]]:
        """The operator without a body, whose inputs of these names are no constants but fed; and what to feed."""
        model = self.model(body=False)
        constant = [tensor for tensor in model.graph.initializer if tensor.name not in names]
        for tensor in model.graph.initializer:
            if tensor.name in names:
                model.graph.input.append(helper.make_tensor_value_info(tensor.name, TensorProto.FLOAT, tensor.dims))
        del model.graph.initializer[:]
        model.graph.initializer.extend(constant)
        return model, {name: array for name, array in self.inputs().items() if name in ("X", *names)}

    def model(self, *, body: bool = True) -> onnx.ModelProto:
        """The operator alone; X (and Z) of dynamic batch and size are inputs, the rest are initializers."""
        arrays = self.inputs()
        fed = list(self.fed())
        node = helper.make_node(
            self.operator, [*INPUTS, RESIDUAL][: len(arrays)], ["Y"], "zap", domain=DOMAIN, **self.attributes()
        )
        values = {}
        for name, channels in (("X", self.in_channels), ("Z", self.channels), ("Y", self.channels)):
            height, width = f"{name}h", f"{name}w"
            shape = ["N", height, width, channels] if self.nhwc else ["N", channels, height, width]
            values[name] = helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        initializers = [numpy_helper.from_array(array, name) for name, array in arrays.items() if name not in fed]
        graph = helper.make_graph([node], "zap", [values[name] for name in fed], [values["Y"]], initializers)
        return helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", self.opset), helper.make_opsetid(DOMAIN, VERSION)],
            ir_version=10,
            functions=[build_body(self.operator, self.opset)] if body else [],
        )
