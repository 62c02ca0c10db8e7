"""demo: writes everything that the flow makes of the handwritten digits, and says what was saved and what it cost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from zaponnx.benchmark import Benchmark, bench
from zaponnx.calib.calibration import calibrate
from zaponnx.calib.exporting import ExportReport, export
from zaponnx.calib.fitting import fit
from zaponnx.calib.plots import plot_curves
from zaponnx.calib.report import report
from zaponnx.conversion import convert
from zaponnx.conversion_report import ConversionReport
from zaponnx.errors import InvalidArgument
from zaponnx.evaluation import Evaluation, ModelEvaluation, eval
from zaponnx.files import atomic_path, check_output
from zaponnx.inspection import Inspection, inspect
from zaponnx.packaging.packing import pack
from zaponnx.progress import Progress, silent

EPSILONS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8)
"""The budgets that are tried, in this order."""

MAX_DROP = 0.005
"""How much top-1 may be lost on the images that the budget is chosen on. They trained the predictors, too, so that on
others about twice as much may be lost."""

_DATA = "digits"
_LICENSE = (
    "CC BY 4.0 for the data, UCI's handwritten digits as in scikit-learn; the weights, which zaponnx demo trained on "
    "them, are yours"
)
_DESCRIPTION = "A small CNN that tells the handwritten digits of scikit-learn's data set apart"
_TAGS = ("digits", "classification")


@dataclass(frozen=True)
class Demo:
    """What the demo did and found.

    Attributes:
        output: The directory with all files.
        epsilon: The budget, the largest of EPSILONS before one lost more than MAX_DROP of top-1 on the calibration
            split; 0 if the first one did. The same images trained the predictors and gave the curves, so that the
            choice is optimistic: on the test split more than MAX_DROP may be lost.
        export: The dense model.
        conversion, inspection: The converted model.
        tuned: The model that was tuned for the most threads, at the same budget.
        evaluation: The dense, the converted and the tuned model on the test split, which took no part in the choice.
        benchmark, tuned_benchmark: The times of the converted and of the tuned model, each beside the dense one.
        files: All that it wrote to the directory, in this order: the flow's files, the curves' plots, what the commands
            would print with --json, the two reports, the package, demo.json.
    """

    output: Path
    epsilon: float
    export: ExportReport
    conversion: ConversionReport
    tuned: ConversionReport
    inspection: Inspection
    evaluation: Evaluation
    benchmark: Benchmark
    tuned_benchmark: Benchmark
    files: tuple[Path, ...]

    def to_json(self) -> dict[str, Any]:
        """As `zaponnx demo --json` prints it and demo.json has it."""
        return {
            "output": str(self.output),
            "epsilon": self.epsilon,
            "chosen_on": "calibration split, which also trained the predictors and gave the curves",
            "max_drop": MAX_DROP,
            "export": self.export.to_json(),
            "conversion": self.conversion.to_json(),
            "tuned": self.tuned.to_json(),
            "inspection": self.inspection.to_json(),
            "evaluation": self.evaluation.to_json(),
            "benchmark": self.benchmark.to_json(),
            "tuned_benchmark": self.tuned_benchmark.to_json(),
            "files": [str(path) for path in self.files],
        }


def demo(
    output: Path | str = Path("demo"), *, seed: int = 0, threads: Sequence[int] = (1, 2), progress: Progress = silent
) -> Demo:
    """Trains and exports a small network, calibrates, fits, converts, evaluates and times it.

    Args:
        output: The directory to write, made if it does not exist: model.onnx, model.zapcal, model.zapfit.json,
            model.zap.onnx, tuned.zap.onnx, tried/ with the models of the budgets that were tried, plots, the results as
            JSON, report.html and tuned.html, which show all of a model, and digits.tar.gz, a package of both.
        seed: Of training and calibration.
        threads: Numbers of threads to time with.
        progress: Told about every step.

    Raises:
        InvalidArgument: The directory cannot be made.
        RuntimeUnavailable: Something that it needs is not installed.
    """
    output = Path(output)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidArgument("demo", f"cannot make the directory: {error.strerror}", where=str(output)) from error
    summary = output / "demo.json"
    check_output(summary, "demo")
    dense, zapcal = output / "model.onnx", output / "model.zapcal"
    zapfit, converted = output / "model.zapfit.json", output / "model.zap.onnx"
    tuned = output / "tuned.zap.onnx"
    exported = export(_DATA, dense, seed=seed, progress=progress)
    calibration = calibrate(dense, _DATA, zapcal, seed=seed, progress=progress)
    plots = plot_curves(calibration, fit(zapcal, zapfit), output)
    epsilon, tried = _largest_epsilon(dense, zapcal, zapfit, output / "tried", progress)
    conversion = convert(dense, zapcal, zapfit, converted, epsilon=epsilon)
    tuned_conversion = convert(
        dense, zapcal, zapfit, tuned, epsilon=epsilon, tune=True, data=_DATA, threads=max(threads), progress=progress
    )
    evaluation = eval([dense, converted, tuned], _DATA, progress=progress)
    benchmark = bench(converted, dense, threads=threads, progress=progress)
    tuned_benchmark = bench(tuned, dense, threads=threads, progress=progress)
    printed = {
        "eval": evaluation.to_json(),
        "eval-calibration": tried.to_json(),
        "bench": benchmark.to_json(),
        "bench-tuned": tuned_benchmark.to_json(),
        "convert": conversion.to_json(),
        "convert-tuned": tuned_conversion.to_json(),
    }
    results = {name: output / f"{name}.json" for name in printed}
    for name, path in results.items():
        _write_json(path, printed[name])
    page, tuned_page = output / "report.html", output / "tuned.html"
    for model, written, suffix in ((converted, page, ""), (tuned, tuned_page, "-tuned")):
        report(
            model,
            written,
            calibration=zapcal,
            eval=[results["eval"], results["eval-calibration"]],
            bench=results[f"bench{suffix}"],
            convert=results[f"convert{suffix}"],
            data=_DATA,
            progress=progress,
        )
    package = output / "digits.tar.gz"
    pack(
        [converted, tuned],
        package,
        description=_DESCRIPTION,
        license=_LICENSE,
        tags=_TAGS,
        data=_DATA,
        eval=[results["eval"]],
        bench=[results["bench"], results["bench-tuned"]],
        report=page,
        progress=progress,
    )
    result = Demo(
        output=output,
        epsilon=epsilon,
        export=exported,
        conversion=conversion,
        tuned=tuned_conversion,
        inspection=inspect(converted),
        evaluation=evaluation,
        benchmark=benchmark,
        tuned_benchmark=tuned_benchmark,
        files=(
            *(dense, zapcal, zapfit, converted, tuned),
            *(model.path for model in tried.models[1:]),
            *(*plots, *results.values(), page, tuned_page, package, summary),
        ),
    )
    _write_json(summary, result.to_json())
    return result


def _write_json(path: Path, content: Any) -> None:
    with atomic_path(path, "demo") as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _largest_epsilon(
    dense: Path, zapcal: Path, zapfit: Path, directory: Path, progress: Progress
) -> tuple[float, Evaluation]:
    """The last of EPSILONS before one loses more than MAX_DROP of the dense model's top-1 on the calibration split.

    And what was measured to find it: the dense model, and one for each that was tried, which are in the directory.
    """
    directory.mkdir(exist_ok=True)
    tried = eval([dense], _DATA, split="calibration", progress=progress)
    chosen = 0.0
    for epsilon in EPSILONS:
        candidate = directory / f"epsilon-{epsilon:g}.zap.onnx"
        convert(dense, zapcal, zapfit, candidate, epsilon=epsilon)
        found = eval([candidate], _DATA, split="calibration", progress=progress)
        tried = replace(tried, models=(*tried.models, *found.models), notes=(*tried.notes, *found.notes))
        if _top1(tried.models[-1]) < _top1(tried.models[0]) - MAX_DROP:
            break
        chosen = epsilon
    return chosen, tried


def _top1(model: ModelEvaluation) -> float:
    assert model.top1 is not None  # the digits have labels
    return model.top1
