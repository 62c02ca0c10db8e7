"""Builds a random CNN node by node: what the layers of a network are made with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import onnx
from hypothesis import strategies as st
from onnx import helper, numpy_helper

T = TypeVar("T")
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Value:
    """A tensor of the network: its name and its (channels, height, width) in the run that the network is made for."""

    name: str
    shape: tuple[int, int, int]


@dataclass
class Builder:
    """A network that grows.

    Attributes:
        draw: Hypothesis's choice.
        opset: The version of the ONNX domain.
        batch: The first dim of its inputs: how many samples there are, a symbol, or None.
        rng: Gives the numbers, which hypothesis need not choose.
        values: The tensors of rank 4 so far.
        results: Those of them that end a layer.
        scores: The tensors of rank 2 so far; nothing reads them.
        weights: The names of convolutions' weights by shape; a later one may share them.
        constants: The names of constants by type, shape and values.
    """

    draw: Callable[[st.SearchStrategy[Any]], Any]
    opset: int
    batch: int | str | None
    rng: np.random.Generator
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    initializers: list[onnx.TensorProto] = field(default_factory=list)
    functions: list[onnx.FunctionProto] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)
    results: list[Value] = field(default_factory=list)
    scores: list[str] = field(default_factory=list)
    weights: dict[tuple[int, ...], str] = field(default_factory=dict)
    constants: dict[tuple[Any, ...], str] = field(default_factory=dict)
    count: int = 0

    def one_of(self, *choices: T) -> T:
        """One of these; the first is the plainest."""
        chosen: T = self.draw(st.sampled_from(choices))
        return chosen

    def maybe(self) -> bool:
        """Rather not than so, as a plain network is easier to read."""
        return self.one_of(False, False, False, True)

    def rarely(self) -> bool:
        """For what makes most sites none."""
        return bool(self.draw(st.integers(0, 14)) == 14)

    def value(self) -> Value:
        """What a layer reads: mostly the result of one of the last layers."""
        if self.rarely():
            return self.one_of(*reversed(self.values))
        return self.one_of(*reversed(self.results[-4:]))

    def like(self, value: Value) -> Value | None:
        """Another tensor of the same shape; None if there is none."""
        others = [other for other in reversed(self.values) if other.shape == value.shape and other != value]
        return self.one_of(*others) if others else None

    def new_name(self, stem: str) -> str:
        """A name that no tensor has yet."""
        self.count += 1
        return f"{stem}{self.count}"

    def node(self, operator: str, inputs: Sequence[str], outputs: int = 1, **attributes: Any) -> str:
        """Adds a node, named or not, and gives its first output."""
        names = [self.new_name(operator.lower()) for _ in range(outputs)]
        node = helper.make_node(operator, inputs, names, self.one_of(f"node/{names[0]}", ""), **attributes)
        if self.maybe():
            node.doc_string = f"what makes {names[0]}"
            node.metadata_props.add(key="made", value=names[0])
        self.nodes.append(node)
        return names[0]

    def add(
        self, operator: str, inputs: Sequence[str], shape: tuple[int, int, int], outputs: int = 1, **attributes: Any
    ) -> Value:
        """Adds a node whose output is a tensor of the network."""
        self.values.append(Value(self.node(operator, inputs, outputs, **attributes), shape))
        return self.values[-1]

    def initializer(self, array: Array) -> str:
        """A constant as an initializer."""
        name = self.new_name("constant")
        self.initializers.append(numpy_helper.from_array(array, name))
        return name

    def constant(self, array: Array) -> str:
        """A constant in any form, or the one of the same values that other nodes read."""
        values = (array.dtype.str, array.shape, array.tobytes())
        if values not in self.constants or self.maybe():
            self.constants[values] = self._new_constant(array)
        return self.constants[values]

    def _new_constant(self, array: Array) -> str:
        """An initializer, a Constant node, or one of them behind another node."""
        form = self.one_of("initializer", "node", "identity", "reshaped", "float16")
        if form == "node" and (self.opset >= 9 or array.dtype == np.float32):
            return self.node("Constant", [], value=numpy_helper.from_array(array))
        if form == "identity":
            return self.node("Identity", [self.initializer(array)])
        if form == "reshaped":
            flat, shape = self.initializer(array.reshape(-1)), self.initializer(np.array(array.shape, np.int64))
            return self.node("Reshape", [flat, shape])
        if form == "float16" and array.dtype == np.float32 and np.abs(array).max(initial=0) < np.finfo(np.float16).max:
            return self.node("Cast", [self.initializer(array.astype(np.float16))], to=1)
        return self.initializer(array)

    def random(self, *shape: int) -> Array:
        """Normal numbers of size 1 / √(elements of one row), so that the sums that they weigh are of size 1."""
        return (self.rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)

    def kernel(self, *shape: int) -> str:
        """Random weights, of any form or shared with a node that has weights of this shape."""
        if shape in self.weights and self.maybe():
            return self.weights[shape]
        form = "computed" if self.rarely() else self.one_of("constant", "constant", "transposed", "filled")
        if form == "transposed":
            name = self.node("Transpose", [self.constant(self.random(*shape).T.copy())], perm=[3, 2, 1, 0])
        elif form == "filled" and self.opset >= 9:
            fill = numpy_helper.from_array(np.array([0.1], np.float32))
            name = self.node("ConstantOfShape", [self.constant(np.array(shape))], value=fill)
        elif form == "computed":
            name = self.node("Neg", [self.constant(self.random(*shape))])
        else:
            name = self.constant(self.random(*shape))
        return self.weights.setdefault(shape, name)
