"""Damaged converted models: every command that reads one refuses it in one sentence, or does what it says."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import onnx
import pytest
from onnx import ModelProto

import zaponnx
from zaponnx.counting import add_counters
from zaponnx.errors import ZapError
from zaponnx.graph.converted import read_metadata, zap_convs
from zaponnx.models import load_model, temporary_model
from zaponnx.operator import DOMAIN
from zaponnx.runtime import open_session, register, session_options


def count(model: Path, output: Path) -> None:
    """What eval does before it reads data, by the library."""
    options = session_options()
    register(options)
    with temporary_model(add_counters(load_model(model, "eval"))[0], str(model)) as path:
        open_session(path, options, None, "eval", where=str(model))


COMMANDS: dict[str, Callable[[Path, Path], object]] = {
    "inspect": lambda model, output: zaponnx.inspect(model),
    "eval": count,
    "retune": lambda model, output: zaponnx.retune(model, output, epsilon=1.0),
    "strip": zaponnx.strip,
}


@pytest.fixture
def converted(files) -> Path:
    files.convert(epsilon=1.0)
    return files.output


@pytest.fixture
def refusals(tmp_path: Path) -> Callable[[Path], dict[str, str]]:
    """What the commands say of a model, "" where they succeed: then what they write can be loaded."""

    def messages(model: Path) -> dict[str, str]:
        found = {}
        output = tmp_path / "written.onnx"
        for name, command in COMMANDS.items():
            before = sorted(tmp_path.iterdir())
            found[name] = ""
            try:
                command(model, output)
            except ZapError as error:
                found[name] = str(error)
            else:
                assert not output.exists() or load_model(output, "test").graph.node
                output.unlink(missing_ok=True)
            assert re.fullmatch(f"({name}: .*)?", found[name]), "one sentence"
            assert sorted(tmp_path.iterdir()) == before, "neither an output nor a temporary file is left"
        return found

    return messages


def test_the_undamaged_model_passes(converted: Path, refusals: Callable[[Path], dict[str, str]]) -> None:
    assert refusals(converted) == dict.fromkeys(COMMANDS, "")


def test_truncated(converted: Path, refusals: Callable[[Path], dict[str, str]]) -> None:
    content = converted.read_bytes()
    for length in random.Random(0).sample(range(len(content)), 40):
        converted.write_bytes(content[:length])
        assert all(str(converted) in message for message in refusals(converted).values())


def flipped(content: bytes, spared: set[int], cases: int) -> Iterator[bytes]:
    rng = random.Random(1)
    places = [index for index in range(len(content)) if index not in spared]
    for _ in range(cases):
        changed = bytearray(content)
        for _ in range(rng.choice([1, 1, 2, 4])):
            changed[rng.choice(places)] ^= 1 << rng.randrange(8)
        yield bytes(changed)


def test_flipped_bits(converted: Path, refusals: Callable[[Path], dict[str, str]]) -> None:
    """Half of them outside the metadata, which are most of the file; never in the weights, where all bits are right.

    What can be retuned may still be beyond repair for others: it gets its ZapConvs and their functions anew.
    """
    content = converted.read_bytes()
    model = onnx.load_model(converted)
    weights: set[int] = set()
    for tensor in model.graph.initializer:
        start = content.find(tensor.raw_data)
        weights.update(range(start, start + len(tensor.raw_data)))
    metadata = set(weights)
    for value in read_metadata(model).values():
        start = content.find(value.encode())
        metadata.update(range(start, start + len(value)))
    refused = dict.fromkeys(COMMANDS, 0)
    for spared in (weights, metadata):
        for changed in flipped(content, spared, 60):
            converted.write_bytes(changed)
            for name, message in refusals(converted).items():
                refused[name] += bool(message)
    assert all(30 < number < 120 for number in refused.values()), refused


def without_functions(model: ModelProto) -> None:
    del model.functions[:]


def without_a_function_node(model: ModelProto) -> None:
    del model.functions[0].node[3]


def without_the_domain(model: ModelProto) -> None:
    for index in reversed(range(len(model.opset_import))):
        if model.opset_import[index].domain == DOMAIN:
            del model.opset_import[index]


def without_metadata(model: ModelProto) -> None:
    del model.metadata_props[:]


def with_a_cycle(model: ModelProto) -> None:
    first, second = zap_convs(model)
    first.input[0] = second.output[0]


def with_computed_weights(model: ModelProto) -> None:
    node = zap_convs(model)[0]
    place = list(model.graph.node).index(node)
    model.graph.node.insert(place, onnx.helper.make_node("Identity", [node.input[1]], ["computed"]))
    node.input[1] = "computed"


def with_half_of_the_weights(model: ModelProto) -> None:
    tensor = next(each for each in model.graph.initializer if each.name == zap_convs(model)[0].input[3])
    tensor.dims[0] //= 2
    tensor.raw_data = tensor.raw_data[: len(tensor.raw_data) // 2]


@pytest.mark.parametrize(
    ("edit", "refused"),
    [
        (without_functions, {"strip"}),
        (without_a_function_node, set(COMMANDS)),
        (without_the_domain, set(COMMANDS)),
        (without_metadata, {"retune", "strip"}),
        (with_a_cycle, set(COMMANDS)),
        (with_computed_weights, {"eval"}),
        (with_half_of_the_weights, {"inspect", "eval", "strip"}),
    ],
)
def test_parts_taken_out(
    converted: Path,
    refusals: Callable[[Path], dict[str, str]],
    edit: Callable[[ModelProto], None],
    refused: set[str],
) -> None:
    model = onnx.load_model(converted)
    edit(model)
    onnx.save_model(model, converted)
    assert {name for name, message in refusals(converted).items() if message} == refused


def test_every_initializer_is_missed(converted: Path, refusals: Callable[[Path], dict[str, str]]) -> None:
    whole = onnx.load_model(converted)
    for index, tensor in enumerate(whole.graph.initializer):
        model = onnx.ModelProto()
        model.CopyFrom(whole)
        del model.graph.initializer[index]
        onnx.save_model(model, converted)
        assert all(tensor.name in message for message in refusals(converted).values()), tensor.name
