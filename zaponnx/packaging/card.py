"""A package's model card: reads its manifest, writes README.md: what the models are worth and how to run them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from zaponnx.packaging import paths
from zaponnx.packaging.manifest import Manifest, PackedModel, Port
from zaponnx.packaging.measured import Scores
from zaponnx.packaging.usage import usage

_NOT_MEASURED = "not measured"
_NOT_SAID = "Not said."


def card(manifest: Manifest) -> str:
    """The card of a package, in Markdown."""
    models = manifest.models
    parts = [
        f"# {manifest.name}",
        *([manifest.description] if manifest.description else []),
        _kind(manifest),
        *_section("Accuracy and work saved", _accuracy(models)),
        *_section("Speed", _speed(models)),
        *_section("Data", _data(manifest)),
        *_section("Licence", manifest.license or _NOT_SAID),
        *_section("Inputs and outputs", _ports(models[0])),
        *_section("How to run it", usage(manifest)),
        *_section("Files", _files(manifest)),
    ]
    return "\n\n".join(parts) + "\n"


def _section(title: str, content: str) -> tuple[str, str]:
    return f"## {title}", content


def _kind(manifest: Manifest) -> str:
    first, *others = manifest.models
    text = (
        f"A CNN in ONNX, in which zaponnx {manifest.zaponnx} predicts outputs that will be zero and does not compute "
        "them ([the method](https://arxiv.org/abs/1909.07636))."
    )
    if others:
        names = ", ".join(f"`{model.file}`" for model in others)
        text += f" `{first.file}` is at the default operating point; at others, with the same weights: {names}."
    return f"{text} Tags: {_list(manifest.tags)}." if manifest.tags else text


def _accuracy(models: Sequence[PackedModel]) -> str:
    rows = []
    for model in models:
        point, accuracy = model.description.operating_point, model.accuracy
        expected = ["-", "-"] if point is None else [f"{point.epsilon:g}", f"{point.mac_saved:.2%}"]
        if accuracy is None:
            measured = [_NOT_MEASURED] * 4
        else:
            scores = [_change(accuracy.baseline, accuracy.model, key) for key in ("top1", "top5")]
            measured = [*scores, f"{accuracy.mac_saved:.2%}", f"{accuracy.net_mac_saved:.2%}"]
        rows.append([f"`{model.file}`", *expected, *measured])
    header = ["model", "budget ε", "MACs saved, expected", "top-1", "top-5", "MACs saved", "net of predictors"]
    lines = [
        _table(header, rows),
        "",
        "Top-1 and top-5: of the dense model → of this one. MACs: expected is the share of all calibrated layers, as "
        "calibration let expect; the measured ones are shares of the layers that skip.",
    ]
    for text in dict.fromkeys(_conditions(model) for model in models if model.accuracy):
        lines += ["", text]
    lines += [f"\n`{model.file}` {note}." for model in models if model.accuracy for note in model.accuracy.notes]
    return "\n".join(lines)


def _change(before: Scores, after: Scores, key: str) -> str:
    values = [getattr(scores, key) for scores in (before, after)]
    return _NOT_MEASURED if None in values else " → ".join(f"{value:.2%}" for value in values)


def _conditions(model: PackedModel) -> str:
    accuracy = model.accuracy
    assert accuracy is not None
    split = f", split {accuracy.split}" if accuracy.split else ""
    how = "the function bodies" if accuracy.portable else "zaponnx's library"
    return (
        f"Measured on {accuracy.samples} samples of `{accuracy.data}`{split}, by {how} on {_list(accuracy.providers)}."
    )


def _speed(models: Sequence[PackedModel]) -> str:
    rows, slower, conditions = [], [], []
    for model in models:
        speed = model.speed
        if speed is None:
            rows.append([f"`{model.file}`", *[_NOT_MEASURED] * 4])
            continue
        for run in speed.runs:
            times = [f"{run.baseline_ms:.3f}", f"{run.model_ms:.3f}", run.spread]
            rows.append([f"`{model.file}`", str(run.threads), *times])
            if run.speedup <= 1:
                threads = f"{run.threads} thread{'s' * (run.threads > 1)}"
                slower.append(f"\n`{model.file}` is NOT faster than the dense model with {threads}.")
        shapes = _list(f"`{name}` {' × '.join(map(str, shape))}" for name, shape in speed.input_shapes.items())
        versions = _list(f"{name} {version}" for name, version in speed.versions.items())
        conditions.append(
            f"Medians of {speed.iterations} runs in turn, and the quartiles of the pairs' ratios, on {speed.cpu}, "
            f"{speed.cores} cores; {shapes}; {_list(speed.providers)}; {versions}."
        )
    lines = [_table(["model", "threads", "dense ms", "this model ms", "speed-up (quartiles)"], rows), *slower]
    lines += [f"\n{text}" for text in dict.fromkeys(conditions)]
    if conditions:
        lines.append("\nWith zaponnx's library; on other machines it is faster or slower: measure it there.")
    return "\n".join(lines)


def _data(manifest: Manifest) -> str:
    lines = []
    for model in manifest.models:
        made = model.description.provenance
        if data := made.get("calibration_data"):
            samples = made.get("calibration_samples", "?")
            lines.append(f"- calibrated on: {samples} samples of `{data}`")
    lines.append(f"- test inputs: `{manifest.test_inputs}`; the outputs are those of the function bodies on a CPU")
    return "\n".join(dict.fromkeys(lines))


def _ports(model: PackedModel) -> str:
    ports = [("input", model.description.inputs), ("output", model.description.outputs)]
    rows = [[kind, f"`{port.name}`", port.type, _shape(port)] for kind, group in ports for port in group]
    versions = f"ONNX opset {model.description.opset}, IR version {model.description.ir_version}."
    return f"{_table(['', 'name', 'type', 'shape'], rows)}\n\n{versions}"


def _shape(port: Port) -> str:
    return " × ".join("?" if dim is None else str(dim) for dim in port.shape) or "-"


def _files(manifest: Manifest) -> str:
    text = f"`{paths.MANIFEST}` has the size and the SHA-256 of every other file; `zaponnx verify` checks them."
    if any(file.path == paths.REPORT for file in manifest.files):
        text += f" `{paths.REPORT}` shows the whole measurement in a browser."
    return text


def _list(items: Iterable[str]) -> str:
    return ", ".join(items)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
