"""Times sites in their graph: runs a model under ORT's profiler, gives each site's milliseconds in each run.

A site's own time is that of the nodes that write its tensors. ONNX Runtime fuses and renames nodes, but every name that
it makes contains one of those that were there: the profiled copy of the model has the site's number in all of them.

What a site costs beyond its own nodes is conversion: ORT's dense kernels keep activations in a blocked layout, so that
it puts a reorder before and behind a ZapConv whose neighbour is dense. Each such node, found in the graph as ORT has
optimised it, counts for the sites whose tensors it converts, in equal parts. So the sites' times of the dense and of
the converted model are those of whole graphs at work, cold caches and all; the same layer cut out and run alone has
other neighbours and its weights in the cache, and the difference of two whole models drowns in noise.
"""

from __future__ import annotations

import itertools
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from zaponnx.benchmark import timing_options
from zaponnx.errors import ModelError
from zaponnx.graph.converted import dense_output, zap_convs
from zaponnx.models import save_model
from zaponnx.runtime import open_session
from zaponnx.traversal import graphs

_CONVERSIONS = ("ReorderInput", "ReorderOutput", "Transpose")
_PREFIX = "zaponnx.site{}:"
_NUMBER = re.compile(_PREFIX.format(r"(\d+)"))
_KERNEL_TIME = "_kernel_time"

Series = npt.NDArray[np.float64]
"""Milliseconds of each run, float64 (runs,)."""


class ProfiledSession:
    """A session of a model on the CPU whose runs are profiled.

    Args:
        model: The model.
        sites: Each site's tensors: what its nodes write.
        directory: An empty directory for its files, which must outlast it.
        threads: ORT's threads within an operator.

    Attributes:
        session: The onnxruntime.InferenceSession, to be run.
    """

    def __init__(self, model: onnx.ModelProto, sites: Sequence[Sequence[str]], directory: Path, threads: int) -> None:
        path, self._optimized = directory / "model.onnx", directory / "optimized.onnx"
        save_model(numbered(model, sites), path, "convert", external_data=True)
        self._sites = sites
        options = timing_options(threads)
        options.enable_profiling = True
        options.profile_file_prefix = str(directory / "profile")
        options.optimized_model_filepath = str(self._optimized)
        options.add_session_config_entry("session.optimized_model_external_initializers_file_name", "optimized.data")
        self.session = open_session(path, options, None, "convert")

    def series(self, runs: int) -> list[Series]:
        """Ends the profile and gives each site's time in the last runs.

        Raises:
            ModelError: ONNX Runtime has not profiled one of the sites.
        """
        durations: dict[str, list[float]] = defaultdict(list)
        for event in json.loads(Path(self.session.end_profiling()).read_text(encoding="utf-8")):
            if event["cat"] == "Node" and event["name"].endswith(_KERNEL_TIME):
                durations[event["name"].removesuffix(_KERNEL_TIME)].append(event["dur"] / 1e3)
        times = {name: np.array(values[-runs:]) for name, values in durations.items() if len(values) >= runs}
        optimized = onnx.load_model(str(self._optimized), format="protobuf", load_external_data=False)
        found = charged(optimized.graph.node, times)
        for site, tensors in enumerate(self._sites):
            if site not in found:
                problem, where = "ONNX Runtime's profile lacks it", f"the layer of output '{tensors[-1]}'"
                raise ModelError("convert", problem, where=where, remedy="convert without tuning")
        return [found[site] for site in range(len(self._sites))]


def numbered(model: onnx.ModelProto, sites: Sequence[Sequence[str]]) -> onnx.ModelProto:
    """A copy in which a site's tensors and their nodes have its number in their names, and each node a name of its own.

    Args:
        model: The model.
        sites: Each site's tensors; those that the model does not have are passed over, and those that a ZapConv writes
            in NHWC are found.
    """
    owners = {tensor: site for site, tensors in enumerate(sites) for tensor in tensors}
    owners |= {node.output[0]: owners[dense_output(node)] for node in zap_convs(model) if dense_output(node) in owners}
    names = {tensor: f"{_PREFIX.format(site)}{tensor}" for tensor, site in owners.items()}
    count = itertools.count()
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for graph in graphs(copy.graph):
        for value in (*graph.output, *graph.value_info):
            value.name = names.get(value.name, value.name)
        for node in graph.node:
            node.input[:] = [names.get(name, name) for name in node.input]
            node.output[:] = [names.get(name, name) for name in node.output]
            site = _site(next(iter(node.output), ""))
            node.name = f"{'' if site is None else _PREFIX.format(site)}node{next(count)}"
    return copy


def charged(nodes: Iterable[onnx.NodeProto], times: Mapping[str, Series]) -> dict[int, Series]:
    """Each site's time: that of its own nodes, and its part of the conversions beside them.

    Args:
        nodes: Of the optimised graph.
        times: By node name; a node without any counts nothing.
    """
    nodes = list(nodes)
    producers = {tensor: node for node in nodes for tensor in node.output}
    readers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
    for node in nodes:
        for tensor in node.input:
            readers[tensor].append(node)

    def writers_of(node: onnx.NodeProto) -> Iterable[onnx.NodeProto]:
        producer = producers.get(node.input[0])
        return [] if producer is None else writers_of(producer) if _converts(producer) else [producer]

    def readers_of(node: onnx.NodeProto) -> Iterable[onnx.NodeProto]:
        for reader in readers[node.output[0]]:
            yield from readers_of(reader) if _converts(reader) else [reader]

    total: dict[int, Series] = {}
    for node in nodes:
        if node.name in times:
            beside = (node,) if not _converts(node) else (*writers_of(node), *readers_of(node))
            owners = {site for neighbour in beside if (site := _site(neighbour.name)) is not None}
            for site in owners:
                total[site] = total.get(site, 0.0) + times[node.name] / len(owners)
    return total


def _converts(node: Any) -> bool:
    return node.op_type in _CONVERSIONS


def _site(name: str) -> int | None:
    """The number of the site in a node's or a tensor's name, None if there is none."""
    found = _NUMBER.search(name)
    return None if found is None else int(found.group(1))
