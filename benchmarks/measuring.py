"""Times networks and layers: reads what was prepared, gives the times of all peers and of the converted models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.layers import Layer
from benchmarks.peers import Contender, Inputs, contender
from benchmarks.preparing import Converted, Prepared, measured_saving
from benchmarks.timing import Effort, Times, interleaved
from benchmarks.tuning import Tuned, tuned
from zaponnx.artifact_files import load_calibration
from zaponnx.errors import ModelError
from zaponnx.macs import conv_work
from zaponnx.models import load_model
from zaponnx.runtime import open_session, session_options

ORT = "onnxruntime"
"""The peer that runs the converted models too."""

_CONTROL = "control"

_TOLERANCE = 1e-3  # of the largest output: Winograd's rounding through a whole network
_FLIPS = 1e-3  # share of a layer's outputs that may be near enough to the threshold to fall on the other side


@dataclass(frozen=True)
class Subject:
    """What is timed.

    Attributes:
        network, part: See `benchmarks.preparing.Prepared`.
        layer: A layer's shape, "" for all of it.
        count: How many such layers the network has; 1 for all of it.
        batch: Images per run.
        macs: Dense multiply-accumulates of all convolutions, per run.
        predicted_macs: Those of the predicted layers.
    """

    network: str
    part: str
    layer: str
    count: int
    batch: int
    macs: int
    predicted_macs: int


@dataclass(frozen=True)
class Measurement:
    """The times of one run of everything in turn.

    Attributes:
        subject: What was timed.
        threads: With how many threads.
        sessions: How many sessions ran at the same time, each with so many threads and an input of its own.
        dense: Peer → its times for the dense model.
        control: The times of a second session of ORT for the dense model: how it differs from the first is noise.
        converted: Point's name → the converted model's times.
        savings: The same → share of the predicted layers' MACs that it skipped.
    """

    subject: Subject
    threads: int
    sessions: int
    dense: Mapping[str, Times]
    control: Times
    converted: Mapping[str, Times]
    savings: Mapping[str, float]


@dataclass(frozen=True)
class TunedMeasurement:
    """The times of a network's dense, converted and tuned model, in turn.

    Attributes:
        subject: What was timed.
        threads: With how many threads, for which it was tuned too.
        point: The point's name.
        model: The tuned model.
        dense: Peer → its times for the dense model.
        control: Of a second session of ORT, as in `Measurement`.
        untuned, tuned: The times of the converted models.
    """

    subject: Subject
    threads: int
    point: str
    model: Tuned
    dense: Mapping[str, Times]
    control: Times
    untuned: Times
    tuned: Times


@dataclass(frozen=True)
class Bench:
    """What all measurements have in common.

    Attributes:
        peers: The peers to compare, ORT among them.
        effort: How long to measure.
        cache: Where peers keep what they make of models.
    """

    peers: Sequence[str]
    effort: Effort
    cache: Path

    def network(self, prepared: Prepared, threads: int, batch: int = 1) -> Measurement:
        """Times a network on the first images."""
        images = prepared.images[:batch]
        savings = _savings(prepared, batch)
        converted = {each.point.name: each.model for each in prepared.converted}
        times = self._interleaved(prepared.dense, converted, {"input": images}, threads)
        return Measurement(_subject(prepared, batch), threads, 1, *times, savings)

    def layer(self, prepared: Prepared, layer: Layer, threads: int) -> Measurement:
        """Times a single layer, and checks the converted one's outputs."""
        for path in layer.converted.values():
            _check_against_body(path, layer.inputs)
        times = self._interleaved(layer.dense, layer.converted, layer.inputs, threads)
        subject = Subject(prepared.network, prepared.part, layer.shape, layer.count, 1, layer.macs, layer.macs)
        return Measurement(subject, threads, 1, *times, layer.savings)

    def tuned(self, prepared: Prepared, converted: Converted, threads: int, batch: int = 1) -> TunedMeasurement:
        """Tunes a network for so many threads and single images, and times it on the first images."""
        best = tuned(prepared, converted, threads)
        models = {"untuned": converted.model, "tuned": best.model}
        inputs = {"input": prepared.images[:batch]}
        dense, control, ours = self._interleaved(prepared.dense, models, inputs, threads)
        return TunedMeasurement(_subject(prepared, batch), threads, converted.point.name, best, dense, control, **ours)

    def concurrent(self, prepared: Prepared, models: Mapping[str, Path], sessions: int) -> Measurement:
        """Times ORT sessions that run at the same time, with one thread each: until all are done.

        Args:
            prepared: A network.
            models: Its converted models, by name.
            sessions: How many of each at the same time.
        """
        models = {ORT: prepared.dense, _CONTROL: prepared.dense, **models}
        inputs = {"input": prepared.images[:1]}
        with ThreadPoolExecutor(sessions) as pool:
            teams = {
                name: [contender(ORT, model, inputs, 1, self.cache) for _ in range(sessions)]
                for name, model in models.items()
            }
            runs = {name: lambda team=team: list(pool.map(_call, team)) for name, team in teams.items()}
            times = interleaved(runs, self.effort)
        dense, control = {ORT: times.pop(ORT)}, times.pop(_CONTROL)
        return Measurement(_subject(prepared, 1), 1, sessions, dense, control, times, _savings(prepared, 1))

    def _interleaved(
        self, dense: Path, converted: Mapping[str, Path], inputs: Inputs, threads: int
    ) -> tuple[dict[str, Times], Times, dict[str, Times]]:
        """Peer → times, those of the control, and point → times."""
        peers = {peer: contender(peer, dense, inputs, threads, self.cache) for peer in self.peers}
        _check_alike(peers, dense)
        ours = {name: contender(ORT, model, inputs, threads, self.cache) for name, model in converted.items()}
        control = {_CONTROL: contender(ORT, dense, inputs, threads, self.cache)}
        times = interleaved(peers | control | ours, self.effort)
        return {name: times[name] for name in peers}, times[_CONTROL], {name: times[name] for name in ours}


def _call(run: Contender) -> object:
    return run()


def _subject(prepared: Prepared, batch: int) -> Subject:
    macs = [work.macs for work in conv_work(load_model(prepared.dense, "bench")).values()]
    sites = load_calibration(prepared.converted[0].calibration, "bench").sites
    total, predicted = sum(filter(None, macs)), round(sum(site.macs for site in sites))
    return Subject(prepared.network, prepared.part, "", 1, batch, total * batch, predicted * batch)


def _savings(prepared: Prepared, batch: int) -> dict[str, float]:
    """Point's name → share of the predicted layers' MACs that is skipped on the first images."""
    return {
        each.point.name: each.saving
        if batch == 1
        else measured_saving(each.model, each.calibration, prepared.images[:batch])
        for each in prepared.converted
    }


def _check_alike(peers: Mapping[str, Contender], model: Path) -> None:
    """Raises ModelError if a peer's output is not ORT's."""
    outputs = {peer: run() for peer, run in peers.items()}
    expected = outputs[ORT]
    for peer, output in outputs.items():
        difference = np.abs(output.reshape(expected.shape) - expected).max() / np.abs(expected).max()
        if not difference <= _TOLERANCE:
            problem = f"{peer}'s output differs from ONNX Runtime's by {difference:.1e} of the largest value"
            raise ModelError("bench", problem, where=str(model))


def _check_against_body(model: Path, inputs: Inputs) -> None:
    """Raises ModelError if the native library's output is not that of the function body."""
    native = contender(ORT, model, inputs, 1, model.parent)()
    body = open_session(model, session_options(), None, "bench").run(None, dict(inputs))[0]
    wrong = np.mean(np.abs(native - body) > _TOLERANCE * np.abs(body).max())
    if not wrong <= _FLIPS:
        raise ModelError("bench", f"{wrong:.1%} of its outputs differ from the function body's", where=str(model))
