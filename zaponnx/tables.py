"""The commands' results as text for people: one function per command. `zaponnx.measurement_tables` has the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zaponnx.artifacts import Calibration, Fit
    from zaponnx.calib.analysis import Analysis
    from zaponnx.calib.exporting import ExportReport
    from zaponnx.calib.finetuning import FinetuneReport
    from zaponnx.chosen_point import ChosenPoint
    from zaponnx.conversion_report import ConversionReport
    from zaponnx.cuda_half import CudaHalf
    from zaponnx.inspection import Inspection
    from zaponnx.self_check import SelfCheck
    from zaponnx.stripping import StripReport
    from zaponnx.tuning import Tuning
    from zaponnx.verification import Verification

_WIDTH = 80
"""Columns that a table may take, where its first column can be cut to that."""

_LEAST_WIDTH = 24
"""Of a first column that is cut."""

_SHOWN_EPSILONS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns under a header, the first to the left and the others to the right.

    Names in the first column lose their middle where the table would be wider than 80 columns.
    """
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    room = max(_WIDTH - sum(2 + width for width in widths[1:]), _LEAST_WIDTH)
    widths[0] = min(widths[0], room)
    rows = [[_cut(row[0], room), *row[1:]] for row in rows]
    lines = []
    for row in (header, ["-" * width for width in widths], *rows):
        cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join([row[0].ljust(widths[0]), *cells]).rstrip())
    return "\n".join(lines)


def _cut(name: str, width: int) -> str:
    """A name, or, where it is too long, its beginning and its longer end, which tells files and layers apart."""
    if len(name) <= width:
        return name
    start = (width - 1) // 3
    return f"{name[:start]}…{name[start + 1 - width :]}"


def percent(share: float | None) -> str:
    """A share from 0 to 1, or "-" if there is none."""
    return "-" if share is None else f"{share:.2%}"


def mega(macs: float | None) -> str:
    """A number of MACs in millions, or "?" if it is not known."""
    return "?" if macs is None else f"{macs / 1e6:.2f} M"


def export(report: ExportReport) -> str:
    """What was exported."""
    shape = " × ".join(map(str, report.input_shape))
    lines = [
        f"{report.output}: {report.source}, {report.parameters:,} parameters, input {shape}, opset {report.opset}",
        f"largest difference from torch's outputs: {report.max_difference:.1e} of the largest output",
    ]
    if report.top1 is not None:
        lines.append(f"top-1 on the test split: {percent(report.top1)}")
    return "\n".join(lines)


def calibrate(calibration: Calibration) -> str:
    """The sites and what their pattern alone would skip."""
    rows = [[site.name, str(site.channels), mega(site.macs), str(site.samples)] for site in calibration.sites]
    header = ["site", "channels", "MACs", "samples measured"]
    skipped = percent(1 - calibration.pattern.share)
    lines = [table(header, rows), ""]
    if savings := calibration.settings.get("pattern_savings"):
        each = ", ".join(f"{spec} {percent(saving)}" for spec, saving in savings.items())
        lines.append(f"of these MACs saved where a classifier loses about a point of its accuracy: {each}")
    lines.append(f"pattern {calibration.pattern.spec}: up to {skipped} of these MACs can be skipped")
    return "\n".join(lines)


def analyze(result: Analysis) -> str:
    """Each layer's zeros, and the rates at the threshold where 1 % of its sum is lost."""
    header = ["layer", "zeros", "ROC area", "threshold", "true zeros", "false zeros", "error", "MACs computed"]
    rows = []
    for site in result.sites:
        rates = [percent(rate) for rate in site.rates(site.shown).values()]
        rows.append([site.name, percent(site.zeros), f"{site.area:.3f}", f"{site.thresholds[site.shown]:.2f}", *rates])
    return "\n".join([table(header, rows), "", *result.files])


def fit(result: Fit) -> str:
    """Some of the operating points, and the layers whose curve could not be fitted."""
    within = [[point for point in result.points if point.epsilon <= epsilon] for epsilon in _SHOWN_EPSILONS]
    points = {id(point): point for shown in [*within, result.points] for point in shown[-1:]}.values()
    rows = [[f"{point.epsilon:.3g}", f"{point.error:.3g}", percent(point.mac_saved)] for point in points]
    lines = [table(["epsilon", "error", "MACs saved"], rows), "", f"{len(result.points)} operating points in all"]
    for site, curve in result.curves.items():
        if "reason" in curve:
            lines.append(f"{site}: no sigmoid fits ({curve['reason']}), its measured curve is used")
    if result.block != "1x1x1":
        lines.append(f"counted as saved: blocks of {result.block} outputs (channels x rows x columns), as a whole")
    if result.chosen:
        lines += ["", *_chosen(result.chosen)]
    if result.calibrated_on:
        lines.append(f"calibrated on {result.calibrated_on.text}")
    lines += [f"NOTE: {result.note}"] * bool(result.note)
    lines += [f"BUDGET MISSED: {result.budget_missed}"] * bool(result.budget_missed)
    return "\n".join(lines)


def _chosen(chosen: ChosenPoint) -> list[str]:
    """The models that were run, and the point that was chosen of them."""
    lines = []
    if chosen.trials:
        rows = [
            [
                f"{trial.error:.3g}",
                percent(trial.mac_saved),
                percent(trial.top1),
                *([f"{trial.times.converted_ms:.3f}", f"{trial.times.dense_ms:.3f}"] if trial.times else ["-", "-"]),
            ]
            for trial in chosen.trials
        ]
        lines += [table(["error", "MACs saved", "top-1", "ms", "dense ms"], rows), ""]
    point, in_full = chosen.point, len(chosen.winograd)
    lines.append(
        f"chosen for {chosen.goal.text}: {percent(point.mac_saved)} of the MACs saved at an error of {point.error:.3g}"
        + (f", {in_full} layers in full by Winograd's" if in_full else "")
    )
    if chosen.goal.by_time and not chosen.winograd and not any(map(point.skips, point.thresholds)):
        lines.append("that is the dense model: nothing pays, or nothing need be faster")
    if chosen.data:
        samples = f", {chosen.data.samples} samples" if chosen.data.samples else ""
        lines.append(f"searched on {chosen.data.text}{samples}")
    if under := chosen.conditions:
        lines.append(f"timed with {under.threads} threads on {under.device or under.cpu}, batch {under.batch_size}")
    return lines


def convert(report: ConversionReport) -> str:
    """The operating point, the layers with their thresholds and, if tuned, their times, and what stays dense."""
    header = ["layer", "MACs", "threshold"]
    rows = [
        [site.name, mega(site.macs), "all outputs" if site.in_full else _thresholds(site.thresholds)]
        for site in report.converted
    ]
    if report.tuning is not None:
        header += ["dense model ms", "with this ms"] if report.tuning.device else ["dense ms", "ZapConv ms"]
        times = {site.output: site.times[site.form] for site in report.tuning.sites if site.form in site.times}
        for row, site in zip(rows, report.converted, strict=True):
            row += [f"{times[site.output].dense_ms:.3f}", f"{times[site.output].converted_ms:.3f}"]
    lines = [table(header, rows), ""]
    if in_full := sum(site.in_full for site in report.converted):
        lines.append(f"{in_full} layers compute all outputs, by Winograd's minimal filtering")
    lines += [f"{refusal.name} stays dense: {refusal.reason}" for refusal in report.dense]
    if report.layouts.nhwc:
        lines.append(f"{report.layouts.nhwc} layers in NHWC, with {report.layouts.transposes} Transposes beside them")
    if report.upgraded:
        lines.append(f"upgraded from {report.upgraded}")
    if report.stale:
        lines.append(f"value infos dropped that contradict ONNX's shape inference: {', '.join(report.stale)}")
    lines += [
        f"{report.output}: {percent(report.mac_saved)} of the calibrated layers' MACs saved, those that stay "
        f"dense included, at an error of {report.error:.3g} (epsilon {report.epsilon:.3g}): as measured in calibration",
        _checked(report.verification),
        _gain(report.tuning),
    ]
    if report.budget_missed:
        lines.append(f"BUDGET MISSED: {report.budget_missed}")
    return "\n".join(lines)


def _thresholds(thresholds: Sequence[float]) -> str:
    """The one threshold, or how many different ones there are; "" without any."""
    shown = {f"{value:.4f}" for value in thresholds}
    return f"{len(shown)} values" if len(shown) > 1 else "".join(shown)


def finetune(report: FinetuneReport) -> str:
    """The losses, and what to do next."""
    descent = report.descent
    lines = [f"epoch {number}: {report.loss} loss {loss:.5f}" for number, loss in enumerate(report.losses, start=1)]
    split = f" ({report.split})" if report.split else ""
    lines.append(f"statistics of {report.reestimated} layer{'s' * (report.reestimated != 1)} re-estimated")
    if descent.epochs:
        lines.append(
            f"{report.weights} initializers trained for {descent.epochs} epoch{'s' * (descent.epochs > 1)} of "
            f"{report.samples} samples of {report.data}{split}, {report.batch_size} a step, learning rate "
            f"{descent.lr:g}, momentum {descent.momentum:g}, weight decay {descent.weight_decay:g}"
            f"{', averaged over the steps' if descent.averaged else ''}"
        )
    lines.append(f"torch and ONNX Runtime differ by {report.difference:.1e} of the largest output")
    lines.append(f"{report.output}: see with zaponnx eval, on other data, what became of the accuracy")
    return "\n".join(lines)


def strip(report: StripReport) -> str:
    """What became dense, and how it was checked."""
    what = "1 ZapConv is" if report.stripped == 1 else f"{report.stripped} ZapConvs are"
    return f"{report.output}: {what} dense again\n{_checked(report.verification)}"


def _checked(verification: Verification) -> str:
    return (
        f"checked with thresholds at −∞ ({', '.join(verification.ran)}): the converted model differs from the dense "
        f"one by {verification.difference:.1e}, at most {verification.tolerance:.1e} allowed"
    )


def _gain(tuning: Tuning | None) -> str:
    """What is known of the converted model's time."""
    if tuning is None:
        return "not every layer gains time by what it saves: see with zaponnx bench whether the model is faster"
    machine = f"with {tuning.threads} thread{'s' * (tuning.threads > 1)} on {tuning.machine}, batch {tuning.batch_size}"
    if tuning.model is None:
        return f"NOTHING PAYS {machine}: the model stays dense"
    times = tuning.model
    return f"{times.dense_ms:.3f} ms dense, {times.converted_ms:.3f} ms converted, {machine}"


def inspect(inspection: Inspection) -> str:
    """The convolutions, and why some stay dense."""
    rows = []
    for layer in inspection.layers:
        shown = _thresholds(layer.thresholds)
        rows.append([layer.name, layer.status, mega(layer.macs), layer.layout, layer.pattern, shown])
    lines = [table(["layer", "is", "MACs", "layout", "pattern", "threshold"], rows), ""]
    lines += [f"{layer.name} stays dense: {layer.reason}" for layer in inspection.layers if layer.reason]
    what = "done by ZapConv" if inspection.converted else "can be predicted"
    lines.append(f"{mega(inspection.macs)} MACs, {percent(inspection.share)} of them {what}")
    lines.append(f"opset {inspection.opset}, IR version {inspection.ir_version}")
    lines += [f"{name}: {value}" for name, value in inspection.metadata.items()]
    if inspection.retuning is not None:
        lines.append(
            f"can be retuned to {inspection.retuning.points} operating points, which save up to "
            f"{percent(inspection.retuning.mac_saved)} of the calibrated layers' MACs, at an error of up to "
            f"{inspection.retuning.error:.3g}"
        )
        if inspection.retuning.chosen_for:
            saved = percent(inspection.retuning.chosen_mac_saved)
            lines.append(f"fit chose the one that saves {saved}, for {inspection.retuning.chosen_for}")
    elif inspection.converted:
        lines.append("cannot be retuned: it does not carry what that takes")
    return "\n".join(lines)


def selfcheck(check: SelfCheck) -> str:
    """What is installed and that it works."""
    lines = [f"{name} {version}" for name, version in check.versions.items()]
    lines += [
        f"library {check.library or 'not found'}, {check.isa or 'no'} kernels",
        *_cuda_half(check.cuda, check.providers),
        f"{check.cpu}, {check.cores} cores; providers {', '.join(check.providers) or 'none'}",
    ]
    lines += [f"{way}: differs from the library by {value:.1e}" for way, value in check.differences.items()]
    if not check.problem:
        lines.append(f"all within {check.tolerance:.0e}: OK")
    return "\n".join(lines)


def _cuda_half(half: CudaHalf | None, providers: Sequence[str]) -> list[str]:
    if half is None:
        return []
    unused = half.device and "CUDAExecutionProvider" not in providers
    note = "; not used: this ONNX Runtime has no CUDAExecutionProvider" if unused else ""
    return [f"CUDA half {half.library or 'not there'}: {half.device or half.problem}{note}"]
