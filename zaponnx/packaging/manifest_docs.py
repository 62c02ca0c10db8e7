"""Writes the manifest's tables in docs/packages.md from the code: `python -m zaponnx.packaging.manifest_docs FILE`."""

from __future__ import annotations

import sys
from pathlib import Path

from zaponnx.benchmark import Benchmark, BenchmarkRun
from zaponnx.format_docs import json_table, kinds_of, meanings_of, rewrite
from zaponnx.packaging.manifest import ChosenPoint, Description, Manifest, PackedFile, PackedModel, Port
from zaponnx.packaging.manifest_schema import manifest_of
from zaponnx.packaging.measured import Accuracy, Scores, Speed

_HASH = "0" * 64


def _manifest() -> Manifest:
    port = Port("x", "tensor(float)", ("batch", 3))
    scores, run = Scores(0.9, 1.0), BenchmarkRun(1, 2.0, 1.0, 2.0, 1.9, 2.1)
    directory = "test_data_set_0"
    model = PackedModel(
        name="digits",
        file="model.onnx",
        source_sha256=_HASH,
        description=Description(18, 10, (), (port,), (port,), ChosenPoint(0.1, 0.1, 0.3), {}),
        test_data=(directory,),
        accuracy=Accuracy("digits", "test", 1, ("CPUExecutionProvider",), False, scores, scores, 0.3, 0.2, ()),
        speed=Speed((run,), "", 1, ("CPUExecutionProvider",), {}, 1, 0, {}),
    )
    paths = ("README.md", "model.onnx", f"{directory}/input_0.pb", f"{directory}/output_0.pb")
    files = tuple(PackedFile(path, 1, _HASH) for path in paths)
    return Manifest("digits", "0.1.0", "", "", (), "digits", (model,), files)


def tables() -> dict[str, str]:
    """The tables in Markdown, by their names."""
    kinds = kinds_of(_manifest().to_json(), manifest_of)
    model = meanings_of(PackedModel) | meanings_of(Description)
    return {
        "manifest": json_table(kinds, "", meanings_of(Manifest)),
        "file": json_table(kinds, "files[].", meanings_of(PackedFile)),
        "model": json_table(kinds, "models[].", model),
        "port": json_table(kinds, "models[].inputs[].", meanings_of(Port)),
        "operating point": json_table(kinds, "models[].operating_point.", meanings_of(ChosenPoint)),
        "accuracy": json_table(kinds, "models[].accuracy.", meanings_of(Accuracy)),
        "scores": json_table(kinds, "models[].accuracy.model.", meanings_of(Scores)),
        "speed": json_table(kinds, "models[].speed.", meanings_of(Benchmark)),
        "run": json_table(kinds, "models[].speed.runs[].", meanings_of(BenchmarkRun)),
    }


if __name__ == "__main__":
    rewrite(Path(sys.argv[1]), tables())
