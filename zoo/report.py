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
from zoo.coverage import EPSILON, SKIPPED, Row
from zoo.reasons import CLASSES, reason_class

_INTRODUCTION = f"""# Coverage

What zaponnx does with networks that others wrote: the light graphs of the onnx package, which are networks of the ONNX
model zoo, and torchvision's, by both of torch's exporters. This file and [coverage.json](coverage.json) are written by

    make coverage

in about ten minutes. Less is covered with, for example,

    make coverage COVERAGE='--networks "resnet|vgg" --output build/coverage'

## What is done

- **Weights** are random and seeded, and normalized layer by layer, so that about half of a ReLU's outputs are zero,
  fewer behind a residual. The light graphs come without weights, as ConstantOfShape nodes; they get initializers again,
  which are listed as inputs as the originals' are (IR version 3).
- **Conversion** is by `convert`'s own passes, of every site, with random predictors and pattern {PATTERN.spec}. What is
  below opset 13 is upgraded by it. Its time is for one thread of Python, without reading and writing files.
- **Equality**: with all thresholds at −∞ the values behind every ZapConv and the outputs must be the original's, to
  within {EPSILON:.0e} of each tensor's largest value: run by ONNX Runtime with zaponnx's library, without it, and with
  the bodies put in place by `onnx.inliner`. Where nothing is folded and ONNX Runtime does all of it, the difference is
  zero. The library adds up in another order, and folded batch norms round differently: by less than 1e-6 in a layer,
  but each layer hands on, and in networks of random weights enlarges, the differences of all layers before it.
- **Operating point**: the thresholds are quantiles of the predicted values, so that {SKIPPED:.0%} of the sites' outputs
  are skipped. Every output of every ZapConv must be its function body's on the same inputs, to within {TOLERANCE:.0e}
  of the layer's largest value. Only where the predicted value is that near to the threshold, it may be the other of the
  two: computed or zero.
- **Validity**: the converted file passes onnx.checker's full check, converting it again changes nothing, and taking
  its ZapConvs out again gives exactly the model that they were put into.

All of this holds for every row: a run in which anything does not, fails."""


def write_report(rows: Sequence[Row], versions: Mapping[str, str], directory: Path) -> list[Path]:
    """Writes coverage.json and coverage.md.

    Args:
        rows: The table.
        versions: Of Python and the packages.
        directory: Where to.
    """
    directory.mkdir(parents=True, exist_ok=True)
    document = {"epsilon": EPSILON, "versions": dict(versions), "networks": [asdict(row) for row in rows]}
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
        "*Share* is that of all convolutions' MACs that the sites have. The differences at −∞ are those with the "
        "library / without it / inlined.",
        _networks(rows),
        "## Convolutions that stay dense",
        _refusals(rows),
        _table(["", "why", ""], [[each.name, each.explanation, str(_total(rows, each.name))] for each in CLASSES]),
        f"Made with {packages}.",
    ]
    return "\n\n".join(parts) + "\n"


def _networks(rows: Sequence[Row]) -> str:
    header = ["", "from", "opset", "input", "nodes", "Convs", "sites", "share", "seconds", "at −∞", "skipped"]
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
                " / ".join(f"{difference:.0e}" if difference else "0" for difference in row.differences.values()),
                f"{row.skipped:.1%}" if row.sites else "",
            ]
            for row in rows
        ],
    )


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


def _total(rows: Sequence[Row], name: str) -> int:
    return sum(_by_class(row)[name] for row in rows)


def _label(row: Row) -> str:
    return f"{row.network} ({row.origin})"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, the first two columns to the left and the others to the right."""
    rule = ["---", "---", *["--:"] * (len(header) - 2)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (header, rule, *rows))
