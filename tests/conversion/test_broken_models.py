"""Broken models: whatever is wrong with a file, inspect and convert say so in one sentence, and write nothing."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import numpy as np
import onnx
import pytest
from onnx import GraphProto, ModelProto, helper, numpy_helper

import zaponnx
import zaponnx.conversion
from zaponnx.errors import ZapError
from zaponnx.models import save_model


@pytest.fixture
def refusal(files, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """What both commands say of the model as it is on disk, which must be the same; "" if neither refuses it.

    convert does not compare the model's hash, so that it has more to fail on.
    """
    monkeypatch.setattr(zaponnx.conversion, "check_provenance", lambda *artifacts: None)

    def message(command: Callable[[], object], phase: str) -> str:
        before = sorted(files.model.parent.iterdir())
        problem = ""
        try:
            command()
        except ZapError as error:
            problem = str(error).removeprefix(f"{phase}: ")
        else:
            files.output.unlink(missing_ok=True)
        assert "\n" not in problem
        assert sorted(files.model.parent.iterdir()) == before, "neither an output nor a temporary file is left"
        return problem

    def both() -> str:
        inspected = message(lambda: zaponnx.inspect(files.model), "inspect")
        converted = message(lambda: files.convert(epsilon=1.0), "convert")
        assert not inspected or inspected == converted
        return converted

    return both


def first_conv_reads(name: str) -> Callable[[GraphProto], None]:
    def edit(graph: GraphProto) -> None:
        graph.node[0].input[0] = name

    return edit


def without_weights(graph: GraphProto) -> None:
    del graph.initializer[1]


def of_doubles(graph: GraphProto) -> None:
    graph.initializer[1].CopyFrom(numpy_helper.from_array(np.ones((8, 8, 3, 3)), "W1"))


def with_one_output_twice(graph: GraphProto) -> None:
    graph.node[3].output[0] = "s"


def of_an_unknown_operator(graph: GraphProto) -> None:
    graph.node[1].op_type, graph.node[1].name = "Unheard", "odd"


def of_an_unknown_domain(graph: GraphProto) -> None:
    graph.node[1].domain, graph.node[1].name = "com.other", "odd"


def of_an_unknown_type(graph: GraphProto) -> None:
    graph.input[0].type.tensor_type.elem_type = 99


def of_strings(graph: GraphProto) -> None:
    graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.STRING


def with_too_many_bytes(graph: GraphProto) -> None:
    graph.initializer[1].raw_data += b"more"


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (first_conv_reads("y"), "input 'y' of node: name: stem OpType: Conv is not output of any previous nodes; mend"),
        (without_weights, "input 'W1' of node: name: first OpType: Conv is not output of any previous nodes; mend"),
        (of_doubles, "node name: first): W has inconsistent type tensor(double); mend"),
        (with_one_output_twice, "'s' has been used as output names multiple times; mend"),
        (of_an_unknown_operator, "No Op registered for Unheard with domain_version of 17 (node 'odd', Unheard); mend"),
        (of_an_unknown_domain, "No opset import for domain 'com.other' (node 'odd', Relu); mend"),
        (of_an_unknown_type, "model.graph.input.type.tensor_type.elem_type is the unknown type 99; give"),
        (of_strings, "node name: stem): X typestr: T, has unsupported type: tensor(string); mend"),
        (with_too_many_bytes, "tensor 'W1': it has 2308 bytes of data in place of 2304; give"),
    ],
)
def test_broken_graphs(
    files, refusal: Callable[[], str], make_network, edit: Callable[[GraphProto], None], problem: str
) -> None:
    model = make_network()
    edit(model.graph)
    files.model.write_bytes(model.SerializeToString())
    assert problem in refusal()


def at(location: str, offset: int = 0, length: int = 2304) -> Callable[[ModelProto], None]:
    def edit(model: ModelProto) -> None:
        tensor = model.graph.initializer[1]
        del tensor.external_data[:]
        for key, value in (("location", location), ("offset", str(offset)), ("length", str(length))):
            tensor.external_data.add(key=key, value=value)

    return edit


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (at("/etc/passwd"), "external data '/etc/passwd' is outside the model's directory; copy"),
        (at("../secret"), "external data '../secret' is outside the model's directory; copy"),
        (at("link"), "external data 'link' is outside the model's directory; copy"),
        (at("nowhere"), "external data 'nowhere' is missing; copy"),
        (at("m.onnx.data", offset=1 << 40), "external data 'm.onnx.data' is truncated; copy"),
        (at("m.onnx.data", offset=-1), "tensor 'W1': its external data have no valid offset and length; give"),
        (at("m.onnx.data", length=2300), "tensor 'W1': it has 2300 bytes of data in place of 2304; give"),
        (at("m.onnx.data", length=1 << 70), "tensor 'W1': it has "),
        (at("a\0b"), "external data 'a\0b' cannot be read"),
        (at("a" * 300), "cannot be read: "),
        (at("."), "external data '.' is missing; copy"),
    ],
)
def test_external_data_elsewhere(
    files, refusal: Callable[[], str], make_network, edit: Callable[[ModelProto], None], problem: str
) -> None:
    secret = files.model.parent.with_name("secret")
    secret.write_bytes(bytes(1 << 20))
    files.model.with_name("link").symlink_to(secret)
    save_model(make_network(), files.model, external_data=True)
    model = onnx.load_model(files.model, load_external_data=False)
    edit(model)
    files.model.write_bytes(model.SerializeToString())
    assert problem in refusal()


def test_every_truncation(files, refusal: Callable[[], str]) -> None:
    content = files.model.read_bytes()
    rng = random.Random(0)
    for length in sorted(rng.sample(range(len(content)), 60)):
        files.model.write_bytes(content[:length])
        assert str(files.model) in refusal()


def damaged(model: ModelProto, seed: int, count: int) -> Iterator[bytes]:
    """The model with bytes changed, one to four, outside the weights."""
    content = model.SerializeToString()
    weights: set[int] = set()
    for tensor in model.graph.initializer:
        start = content.find(tensor.raw_data)
        weights.update(range(start, start + len(tensor.raw_data)))
    places = [index for index in range(len(content)) if index not in weights]
    rng = random.Random(seed)
    for _ in range(count):
        changed = bytearray(content)
        for _ in range(rng.choice([1, 1, 2, 4])):
            changed[rng.choice(places)] = rng.randrange(256)
        yield bytes(changed)


@pytest.mark.parametrize("opset", [9, 17])
def test_damaged_bytes(files, refusal: Callable[[], str], make_network, opset: int) -> None:
    """Any other exception than a ZapError fails; what is still a model may be converted."""
    model = make_network(opset=opset)
    model.metadata_props.append(onnx.StringStringEntryProto(key="key", value="value"))
    model.graph.value_info.append(helper.make_tensor_value_info("s", onnx.TensorProto.FLOAT, ["N", 8, 12, 12]))
    refused = 0
    for content in damaged(model, seed=opset, count=800):
        files.model.write_bytes(content)
        refused += bool(refusal())
    assert 400 < refused < 800


def test_text_that_is_not_utf8(files, refusal: Callable[[], str], make_network) -> None:
    content = make_network().SerializeToString()
    files.model.write_bytes(content.replace(b"Sigmoid", b"Sigm\xffid"))
    assert "the file is damaged: model.graph.node.op_type is not valid UTF-8; give an .onnx file" in refusal()
    model = make_network()
    model.graph.node[0].attribute.append(helper.make_attribute("auto_pad", b"N\xff"))
    files.model.write_bytes(model.SerializeToString())
    assert "the text of attribute 'auto_pad' is not valid UTF-8" in refusal()


def test_what_only_the_runtime_refuses(files, refusal: Callable[[], str], make_network) -> None:
    """The channels do not fit, which shape inference does not see."""
    model = make_network()
    model.graph.node[-2].input[1] = "W0"
    files.model.write_bytes(model.SerializeToString())
    assert f"{files.model}: ONNX Runtime refuses it" in refusal()
