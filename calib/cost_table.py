"""Cost tables: measures what each site's forms cost on this machine, writes and reads that, interpolates between.

A site's gain is what its dense nodes take longer than its ZapConv, each in its graph and with the conversions of layout
beside it, see `zaponnx.profiling`. It is measured where all sites are ZapConvs, at five densities of each, and once
where all that can are computed in full; on another provider than the CPU in whole models with one ZapConv each.
`docs/artifacts.md` specifies the file.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from zaponnx.artifacts import OperatingPoint
from zaponnx.calib.curves import Doubles
from zaponnx.calib.exact import LagrangianPath
from zaponnx.chosen_point import Conditions, UsedData
from zaponnx.chosen_schema import read_conditions, read_used_data
from zaponnx.dense_model import DenseModel
from zaponnx.errors import ArtifactError, on_behalf_of
from zaponnx.files import atomic_path
from zaponnx.json_fields import Fields, parse_json
from zaponnx.progress import Progress
from zaponnx.site_choice import Timer, only
from zaponnx.stopwatch import PairedTimes

_FORMAT, _VERSION = "zaponnx.costs", 1
_SHARES = (0.125, 0.25, 0.5, 0.75, 1.0)  # of what a site can save beyond what costs no error


@dataclass(frozen=True)
class SiteCosts:
    """What a site's ZapConv gains.

    Attributes:
        output: The tensor that it writes.
        dense_ms: What its dense nodes take, in milliseconds; on another provider than the CPU, the whole dense model.
        in_full_ms: What is gained if it computes all outputs, by Winograd's; 0 where it cannot, or is no faster so.
        saved: The shares of its MACs, by calibration's curves, that it saved when it was timed; ascending.
        gain_ms: What was gained there; negative where it was slower.
    """

    output: str
    dense_ms: float
    in_full_ms: float
    saved: tuple[float, ...]
    gain_ms: tuple[float, ...]

    def gain(self, saved: Doubles) -> Doubles:
        """What is gained where shares of the MACs are saved: interpolated, and as the first two say below these."""
        if not self.saved:
            return np.full(saved.shape, -math.inf)
        found: Doubles = np.interp(saved, self.saved, self.gain_ms)
        if len(self.saved) > 1:
            (first, second), (low, high) = self.saved[:2], self.gain_ms[:2]
            below = low + (saved - first) * (high - low) / (second - first)
            found = np.where(saved < first, np.minimum(below, low), found)
        return found


@dataclass(frozen=True)
class CostTable:
    """What the sites of a model cost on a machine.

    Attributes:
        model_sha256, calibration_sha256: The hashes of the model and of the calibration that it belongs to.
        data: What it was measured with, as in a chosen point.
        conditions: Under which, as in a chosen point.
        sites: In the calibration's order.
    """

    model_sha256: str
    calibration_sha256: str
    data: UsedData
    conditions: Conditions
    sites: tuple[SiteCosts, ...]


def measured_costs(
    dense: DenseModel,
    paths: Mapping[str, LagrangianPath],
    suiting_winograd: Sequence[str],
    timer: Timer,
    progress: Progress,
) -> tuple[SiteCosts, ...]:
    """Measures all sites' costs.

    Args:
        dense: The model.
        paths: By a site's output, the optima of that site alone.
        suiting_winograd: The sites that can be computed in full.
        timer: Measures.
        progress: Told about every measurement.
    """
    gains: dict[str, dict[float, float]] = {output: {} for output in paths}
    in_full, dense_ms = dict.fromkeys(paths, 0.0), dict.fromkeys(paths, 0.0)

    def timed(
        step: str, number: int, points: Mapping[str, OperatingPoint], full: Sequence[str]
    ) -> dict[str, PairedTimes]:
        progress(step, number, 1 + len(_SHARES))
        thresholds = {output: point.thresholds[output] for output, point in points.items()}
        point = OperatingPoint(0.0, 0.0, 0.0, thresholds)
        outputs = [output for output in paths if output in full or point.skips(output)]

        def alone(output: str) -> onnx.ModelProto:
            return dense.converted(only(point, output), "auto", {output} & {*full})[0]

        found = dict(timer.sites(dense.converted(point, "auto", full)[0], outputs, alone)) if outputs else {}
        dense_ms.update({output: times.dense_ms for output, times in found.items()})
        return found

    nothing = {output: OperatingPoint(0.0, 0.0, 0.0, {output: (-math.inf,)}) for output in paths}
    for output, times in timed("timing the layers in full", 0, nothing, suiting_winograd).items():
        in_full[output] = times.gain_ms if times.pays else 0.0
    for number, share in enumerate(_SHARES, start=1):
        points = {output: _saving(path, share) for output, path in paths.items()}
        for output, times in timed(f"timing the layers, density {number}", number, points, ()).items():
            gains[output][points[output].mac_saved] = times.gain_ms
    return tuple(
        SiteCosts(output, dense_ms[output], in_full[output], *zip(*sorted(found.items()), strict=True))
        if found
        else SiteCosts(output, dense_ms[output], in_full[output], (), ())
        for output, found in gains.items()
    )


def _saving(path: LagrangianPath, share: float) -> OperatingPoint:
    """The point of a site at which a share is saved of what it can save beyond what costs no error."""
    wanted = path.saved[0] + share * (path.saved[-1] - path.saved[0])
    step = min(int(np.searchsorted(path.saved, wanted)), len(path.saved) - 1)
    return path.point(float(path.budgets[step]))


def save_costs(table: CostTable, path: Path) -> None:
    """Writes a cost table, whole or not at all.

    Raises:
        OutputError: The system refuses it.
    """
    with atomic_path(path, "fit") as temporary:
        temporary.write_text(json.dumps(costs_document(table), indent=1) + "\n", encoding="utf-8")


def costs_document(table: CostTable) -> dict[str, Any]:
    """A cost table as its file has it."""
    document = {"format": _FORMAT, "version": _VERSION, **asdict(table)}
    for site in document["sites"]:
        columns = site.pop("saved"), site.pop("gain_ms")
        site["steps"] = [{"saved": saved, "gain_ms": gain} for saved, gain in zip(*columns, strict=True)]
    return document


def load_costs(path: Path) -> CostTable:
    """Reads a cost table.

    Raises:
        ArtifactError: The file cannot be read, is none or a damaged one, or of another version.
    """
    try:
        fields = parse_json(path.read_bytes(), "fit", str(path))
    except OSError as error:
        raise ArtifactError("fit", f"cannot be read: {error.strerror}", where=str(path)) from error
    return costs_of(fields)


def costs_of(fields: Fields) -> CostTable:
    """Builds a cost table from its JSON document, all of which is taken.

    Raises:
        ArtifactError: It is not sound.
    """
    if fields.take("format") != _FORMAT:
        fields.refuse("format", f"is not '{_FORMAT}'")
    if (version := fields.integer("version")) != _VERSION:
        fields.refuse("version", f"is {version}, and this zaponnx reads version {_VERSION}")
    table = CostTable(
        model_sha256=fields.text("model_sha256"),
        calibration_sha256=fields.text("calibration_sha256"),
        data=read_used_data(fields.object("data")),
        conditions=read_conditions(fields.object("conditions")),
        sites=tuple(map(_site, fields.objects("sites"))),
    )
    fields.done()
    return table


def _site(fields: Fields) -> SiteCosts:
    steps = fields.objects("steps")
    site = SiteCosts(
        output=fields.text("output"),
        dense_ms=fields.number("dense_ms", low=0),
        in_full_ms=fields.number("in_full_ms", low=0),
        saved=tuple(step.number("saved", low=0, high=1) for step in steps),
        gain_ms=tuple(step.number("gain_ms") for step in steps),
    )
    for each in (fields, *steps):
        each.done()
    if any(first >= second for first, second in pairwise(site.saved)):
        fields.refuse("steps", "are not ascending")
    return site


def costs_in(
    path: Path,
    wanted: CostTable,
    dense: DenseModel,
    paths: Mapping[str, LagrangianPath],
    timer: Timer,
    progress: Progress,
) -> dict[str, SiteCosts]:
    """By a site's output, the costs in a file, which is written if it is not there.

    Args:
        path: The file.
        wanted: What they must be of; its sites do not count.
        dense, paths, timer, progress: As in `measured_costs`.

    Raises:
        ArtifactError: The file is damaged, or of another model, calibration, data or machine.
        ModelError: A model cannot be run.
        OutputError: The system does not let the file be written.
    """
    if path.exists():
        with on_behalf_of("fit", remedy="remove it, or name another file with --costs, to measure anew"):
            table = load_costs(path)
            _check(table, wanted, list(paths), path)
    else:
        suiting = [] if wanted.conditions.device else dense.suiting_winograd  # which the CPU does
        table = replace(wanted, sites=measured_costs(dense, paths, suiting, timer, progress))
        save_costs(table, path)
    return {site.output: site for site in table.sites}


def _check(table: CostTable, wanted: CostTable, outputs: Sequence[str], path: Path) -> None:
    """Refuses a table of another model, calibration, data or machine, and says of what it is."""
    differences = [
        f"another {what}"
        for what, ours, theirs in (
            ("model", table.model_sha256, wanted.model_sha256),
            ("calibration", table.calibration_sha256, wanted.calibration_sha256),
            ("set of sites", [site.output for site in table.sites], outputs),
        )
        if ours != theirs
    ]
    if not table.data.overlaps(wanted.data):
        differences.append(f"{table.data.text}, not {wanted.data.text}")
    if conditions := table.conditions.differences(wanted.conditions):
        differences.append(conditions)
    if differences:
        problem = f"its times are of {'; '.join(differences)}"
        raise ArtifactError("fit", problem, where=str(path))
