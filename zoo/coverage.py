"""One row of the table: what zaponnx does with a network, and whether it does it right."""

from __future__ import annotations

import math
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import onnx

from zaponnx.graph.finding import find_matches
from zaponnx.graph.upgrading import opset_version
from zaponnx.macs import conv_work
from zaponnx.models import first_line, load_model, save_model
from zaponnx.tolerances import SENSITIVITY_FACTOR
from zoo.agreement import Agreement, agreement, thresholds_that_skip
from zoo.converting import Dense, again, at_minus_infinity, at_operating_point, by_winograd, dense, stripped
from zoo.equality import WAYS, Feeds, differences, run, sensitivity
from zoo.networks import SEED, Network
from zoo.normalizing import normalize
from zoo.reasons import reason_class, without_names

FACTOR = SENSITIVITY_FACTOR
"""How far a tensor may be from the original's at threshold −∞, in units of the network's own sensitivity.

The products that are added up are the same, but for the batch norms that are folded into the weights, and their order
is another. That changes less than 1e-6 in a layer; but a network of random weights enlarges a difference from layer to
layer, and its sensitivity says how much. `agreement` compares layer by layer, far more narrowly.
"""

SKIPPED = 0.3
"""What share of all sites' outputs the operating point skips."""


@dataclass(frozen=True)
class Row:
    """A network's. One without a site is not run: `share`, `differences` and what they are compared with stay empty.

    Attributes:
        network, origin, size: See `zoo.networks.Network`.
        opset, ir_version: The model's own.
        upgraded: What was upgraded, "" if nothing.
        nodes, convs, sites: How many the model has.
        share: Share of the convolutions' MACs that the sites have.
        refusals: Reason, without the names of nodes → how many Convs stay dense for it.
        seconds: That the conversion took.
        memory: MiB that the process had at its peak.
        differences: Way of running it → the largest difference from the original at threshold −∞.
        sensitivity: See `zoo.equality.sensitivity`.
        positive, skipped: See `zoo.agreement.Agreement`; at the operating point.
        problems: What is wrong; empty if nothing is.
    """

    network: str
    origin: str
    size: int
    opset: int = 0
    ir_version: int = 0
    upgraded: str = ""
    nodes: int = 0
    convs: int = 0
    sites: int = 0
    share: float = 0
    refusals: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0
    memory: int = 0
    differences: Mapping[str, float] = field(default_factory=dict)
    sensitivity: float = 0
    positive: float = 0
    skipped: float = 0
    problems: tuple[str, ...] = ()


def cover(network: Network) -> Row:
    """Converts a network, and checks the result; that it cannot be exported or run is a problem, too."""
    try:
        with tempfile.TemporaryDirectory() as directory:
            row = _cover(network, Path(directory))
    except Exception as error:  # torch's exporters raise errors of many kinds
        problem = f"it cannot be covered: {first_line(error)}"
        row = Row(network.name, network.origin, network.size, problems=(problem,))
    return replace(row, memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


def _cover(network: Network, directory: Path) -> Row:
    model = network.model(directory)
    has_sites = bool(find_matches(model)[0])
    feeds = {_input(model): network.images()}
    if has_sites:
        model = _normalized(model, feeds, directory / "normalized.onnx")
    start = time.perf_counter()
    prepared = dense(model)
    everywhere = at_minus_infinity(prepared, SEED)
    seconds = time.perf_counter() - start
    refusals = Counter(without_names(refusal.reason) for refusal in prepared.refusals)
    row = Row(
        network=network.name,
        origin=network.origin,
        size=network.size,
        opset=opset_version(model, "coverage"),
        ir_version=model.ir_version,
        upgraded=prepared.upgraded,
        nodes=len(model.graph.node),
        convs=len(prepared.matches) + len(prepared.refusals),
        sites=len(prepared.matches),
        refusals=dict(refusals.most_common()),
        seconds=seconds,
        problems=tuple(f"unexplained: {reason}" for reason in refusals if reason_class(reason) is None),
    )
    if has_sites:
        return _checked(row, model, prepared, everywhere, feeds, directory)
    return row if everywhere == prepared.model else _with_problems(row, "it has no site, and yet it was changed")


def _normalized(model: onnx.ModelProto, feeds: Feeds, file: Path) -> onnx.ModelProto:
    normalize(model, feeds, SEED)
    save_model(model, file, external_data=True)
    return load_model(file, "coverage")


def _checked(
    row: Row, model: onnx.ModelProto, prepared: Dense, everywhere: onnx.ModelProto, feeds: Feeds, directory: Path
) -> Row:
    """The row of a network with sites, complete."""
    macs = _conv_macs(prepared.model, feeds)
    found = differences(model, everywhere, by_winograd(prepared, SEED), feeds)
    own = sensitivity(model, _compared(prepared), feeds)
    operating, problems = _operating_point(prepared, everywhere, feeds, directory)
    complete = replace(
        row,
        share=sum(macs[match.conv.outputs[0].name] for match in prepared.matches) / sum(macs.values()),
        differences=found,
        sensitivity=own,
        positive=operating.positive,
        skipped=operating.skipped,
    )
    different = (f"{way}: differs by {found[way]:.1e}" for way in WAYS if not found[way] <= FACTOR * own)
    return _with_problems(complete, *different, *problems)


def _with_problems(row: Row, *problems: str) -> Row:
    return replace(row, problems=(*row.problems, *problems))


def _operating_point(
    prepared: Dense, everywhere: onnx.ModelProto, feeds: Feeds, directory: Path
) -> tuple[Agreement, list[str]]:
    """What the ZapConvs do at an operating point, and what is wrong with the model."""
    model = at_operating_point(prepared, thresholds_that_skip(everywhere, feeds, SKIPPED), SEED)
    result = agreement(model, feeds)
    problems = []
    if result.wrong:
        problems.append(f"{result.wrong} of {result.outputs} outputs are not the function body's")
    if stripped(prepared, model) != prepared.model:
        problems.append("its ZapConvs taken out again, it is not what it was")
    file = directory / "converted.onnx"
    save_model(model, file, external_data=True)
    saved = load_model(file, "coverage")
    if again(saved, SEED) != saved:
        problems.append("a second conversion changes it")
    try:
        onnx.checker.check_model(str(file), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        problems.append(f"not a valid model: {first_line(error)}")
    return result, problems


def _conv_macs(model: onnx.ModelProto, feeds: Feeds) -> dict[str, int]:
    """The MACs of each Conv per image, by its output; where ONNX's shape inference does not tell, they are measured."""
    work = conv_work(model)
    unknown = [output for output, each in work.items() if each.outputs is None]
    measured = zip(unknown, run(model, unknown, feeds), strict=True) if unknown else ()
    outputs = {output: each.outputs for output, each in work.items()} | {
        output: math.prod(values.shape[1:]) for output, values in measured
    }
    return {output: (outputs[output] or 0) * (each.macs_per_output or 0) for output, each in work.items()}


def _compared(prepared: Dense) -> list[str]:
    """What is behind the sites, and the outputs."""
    outputs = (str(value.name) for value in prepared.model.graph.output)
    return list(dict.fromkeys([*(match.output for match in prepared.matches), *outputs]))


def _input(model: onnx.ModelProto) -> str:
    """The name of the only input that is no initializer."""
    initializers = {tensor.name for tensor in model.graph.initializer}
    [name] = (str(value.name) for value in model.graph.input if value.name not in initializers)
    return name
