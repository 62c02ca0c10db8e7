"""Writes the rows as JSON and as a Markdown document."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from zaponnx.files import atomic_path
from zoo.agreement import TOLERANCE
from zoo.converting import PATTERN
from zoo.coverage import FACTOR, SKIPPED, Row
from zoo.reasons import CLASSES, ReasonClass, reason_class

_TOLERANCE = f"{TOLERANCE:.0e}".replace("e-0", "e-")

_INTRODUCTION = f"""# Coverage

What zaponnx does with networks that others wrote: the light graphs of the onnx package, which are networks of the ONNX
model zoo, and all of torchvision's for classification and segmentation, by both of torch's exporters. This file and
[coverage.json](coverage.json) are written by

    make coverage

with two processes at a time, one for each network. What is done is kept in build/coverage, so that a run goes on where
it was interrupted, as long as nobody changes the code. Less is covered with, for example,

    make coverage COVERAGE='--networks "resnet|vgg" --output build/some'

All of what follows holds for every network with sites; a run in which anything does not, fails and says so. Of a
network without sites, converted so that every site were a ZapConv, not a bit may change but for the upgrade; it is not
run, and its row ends with the conversion's time. Images are small, 96 × 96 where the network allows it, and two at a
time where the export does; a site is one at any size.

- **Weights** are random and seeded, and normalized layer by layer, so that about half of a ReLU's outputs are positive,
  more behind a residual. The light graphs come without weights, as ConstantOfShape nodes; they get initializers again,
  which are listed as inputs as the originals' are (IR version 3).
- **Conversion** is by `convert`'s own passes, of every site, with random predictors and pattern {PATTERN.spec}. Models
  below opset 13 are upgraded by these.
- **Refusals** have one of the reasons at the end, each a fact of the network.
- **Equality**: with all thresholds at −∞ the values behind every ZapConv and the outputs must be the original's, to
  within {FACTOR} times what neighbouring pixels change: how far the original's own values move, relative to each
  tensor's largest, if each pixel becomes the float32 next to it. The model is run by ONNX Runtime with zaponnx's
  library; with it and all outputs in the pattern where that suits Winograd's filtering; without it; and without it
  after `onnx.inliner` has put the bodies in place. Where nothing is folded and ONNX Runtime does all of it, the
  difference is zero. The
  library adds up in another order, and folded batch norms round differently: by some 1e-6 in a layer, but each layer
  hands on, and in networks of random weights enlarges, the differences of all layers before it. The factor was chosen
  after the first measurements, some two and a half times the largest ratio then.
  How much a network may enlarge, Inception v3 shows on images of 128 × 128 (it is covered on 224 × 224): pooling with
  kernels of 3 × 3 on maps of 2 × 2 leaves one value per channel and image, so that normalizing two images enlarges what
  they differ by, up to a hundredfold in a layer. With the library the values behind its last ZapConv differ by 0.20,
  but neighbouring pixels move ONNX Runtime's by 0.19, and those of float64 arithmetic by 0.10; from the latter, ONNX
  Runtime's are 0.22 away and the library's 0.02.
- **Operating point**: the thresholds are quantiles of the predicted values, so that {100 * SKIPPED:.0f} % of the sites'
  outputs are skipped. Every output of every ZapConv must be its function body's on the same inputs, to within
  {_TOLERANCE} of the layer's largest value. Only where the predicted value is that near to the threshold, it may be the
  other of the two: computed or zero.
- **Validity**: the converted file passes onnx.checker's full check, converting it again changes nothing, and taking
  its ZapConvs out again gives exactly the model that they were put into."""


def write_report(rows: Sequence[Row], versions: Mapping[str, str], directory: Path) -> list[Path]:
    """Writes coverage.json and coverage.md.

    Args:
        rows: The table.
        versions: Of Python and the packages.
        directory: Where to.
    """
    directory.mkdir(parents=True, exist_ok=True)
    document = {"factor": FACTOR, "versions": dict(versions), "networks": [asdict(row) for row in rows]}
    texts = {"coverage.json": json.dumps(document, indent=1) + "\n", "coverage.md": markdown(rows, versions)}
    for name, text in texts.items():
        with atomic_path(directory / name, "coverage") as temporary:
            temporary.write_text(text, encoding="utf-8")
    return [directory / name for name in texts]


def markdown(rows: Sequence[Row], versions: Mapping[str, str]) -> str:
    """The document."""
    packages = ", ".join(f"{name} {version}" for name, version in versions.items())
    problems = [f"- {_label(row)}: {problem}" for row in rows for problem in row.problems]
    parts = [
        _INTRODUCTION,
        *(["## WHAT IS WRONG", "\n".join(problems)] if problems else []),
        "## Networks",
        "*Share* is the sites' of all convolutions' MACs; *seconds* are the conversion's, without reading and writing, "
        "on a busy machine, and *MiB* the memory of the process at its peak, export and checks included; *at −∞* are "
        "the differences with the library / by Winograd's / without it / inlined, and *neighbours* that of the "
        "original on neighbouring pixels; at the operating point, *positive* is how many of the sites' results R "
        "are above zero, and *skipped* how many are not computed.",
        _networks(rows),
        "## Convolutions that stay dense",
        _refusals(rows),
        *filter(None, (_reasons(rows, each) for each in CLASSES)),
        f"Made with {packages}.",
    ]
    return "\n\n".join(parts) + "\n"


def _networks(rows: Sequence[Row]) -> str:
    header = [
        "",
        "from",
        "opset",
        "input",
        "nodes",
        "Convs",
        "sites",
        "share",
        "seconds",
        "MiB",
        "at −∞",
        "neighbours",
        "positive",
        "skipped",
    ]
    return _table(
        header,
        [
            [
                row.network,
                row.origin,
                str(row.opset),
                f"{row.size} × {row.size}",
                str(row.nodes),
                str(row.convs),
                str(row.sites),
                f"{row.share:.1%}",
                f"{row.seconds:.2f}",
                str(row.memory),
                *(_checks(row) if row.sites else [""] * 4),
            ]
            for row in rows
        ],
    )


def _checks(row: Row) -> list[str]:
    """The columns of a network that was run."""
    differences = " / ".join(map(_difference, row.differences.values()))
    return [differences, _difference(row.sensitivity), f"{row.positive:.0%}", f"{row.skipped:.1%}"]


def _difference(value: float) -> str:
    return f"{value:.0e}" if value else "0"


def _refusals(rows: Sequence[Row]) -> str:
    """How many Convs stay dense for each class of reasons."""
    counts = {id(row): _by_class(row) for row in rows}
    return _table(
        ["", "from", *(each.name for each in CLASSES)],
        [[row.network, row.origin, *(str(counts[id(row)][each.name] or "") for each in CLASSES)] for row in rows],
    )


def _by_class(row: Row) -> Counter[str]:
    counts: Counter[str] = Counter()
    for reason, count in row.refusals.items():
        if found := reason_class(reason):
            counts[found.name] += count
    return counts


def _reasons(rows: Sequence[Row], of: ReasonClass) -> str:
    """A class, and how often each of its reasons occurs; "" if none does."""
    counts: Counter[str] = Counter()
    for row in rows:
        counts.update({reason: count for reason, count in row.refusals.items() if reason_class(reason) is of})
    reasons = [f"- {reason}: {count}" for reason, count in counts.most_common()]
    return "\n".join([f"**{of.name}**: {of.explanation}", "", *reasons]) if reasons else ""


def _label(row: Row) -> str:
    return f"{row.network} ({row.origin})"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, the first two columns to the left and the others to the right."""
    rule = ["---", "---", *["--:"] * (len(header) - 2)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (header, rule, *rows))
