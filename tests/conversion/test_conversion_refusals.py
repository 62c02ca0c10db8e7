"""What convert refuses, and that it then leaves everything as it was."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest

import zaponnx.graph.passes
from zaponnx.artifact_files import load_calibration, load_fit, save_calibration, save_fit
from zaponnx.errors import ArtifactError, InvalidArgument, ModelError
from zaponnx.graph.converted import zap_convs
from zaponnx.graph.finding import find_sites
from zaponnx.models import external_files, load_model, model_sha256, save_model


def test_converted_models_are_refused(files) -> None:
    for epsilon in (1.0, 0.0):
        files.convert(epsilon=epsilon)
        again = replace(files, model=files.output, output=files.output.with_name("again.onnx"))
        again.assert_refused(ModelError, "already converted")


def test_artifacts_of_another_model_are_refused(files, make_network) -> None:
    other = make_network()
    other.graph.doc_string = "another"
    save_model(other, files.model)
    files.assert_refused(ArtifactError, "m.zapcal: it belongs to another model; run zaponnx calibrate")
    save_calibration(
        replace(load_calibration(files.calibration), model_sha256=model_sha256(files.model)), files.calibration
    )
    files.assert_refused(ArtifactError, "m.zapfit.json: it belongs to another model; run zaponnx fit")


def test_a_fit_of_another_calibration_is_refused(files) -> None:
    """Of the same model, or damaged so that it claims to be of this one."""
    calibration = load_calibration(files.calibration)
    save_calibration(replace(calibration, settings={"seed": 1}), files.calibration)
    problem = f"m.zapfit.json: it was fitted to another calibration; run zaponnx fit {files.calibration}"
    files.assert_refused(ArtifactError, problem)
    files.calibrate_again(sites=calibration.sites[:1])
    files.assert_refused(ArtifactError, problem)


def test_sites_that_the_model_does_not_have_are_refused(files) -> None:
    calibration, fit = load_calibration(files.calibration), load_fit(files.fit)
    sites = (replace(calibration.sites[0], macs_per_output=71), calibration.sites[1])
    files.calibrate_again(sites=sites)
    files.assert_refused(ArtifactError, "site 'first' is another one")
    sites = (replace(calibration.sites[0], output="gone"), calibration.sites[1])
    points = tuple(replace(p, thresholds={"gone": (0.0,), "r2": (0.0,)}) for p in fit.points)
    curves: dict[str, Any] = {output: {"curve": "measured"} for output in ("gone", "r2")}
    save_fit(replace(fit, points=points, curves=curves), files.fit)
    files.calibrate_again(sites=sites)
    files.assert_refused(ArtifactError, "site 'first' is no site of the model")


@pytest.mark.parametrize("name", ["model", "calibration", "fit"])
@pytest.mark.parametrize("content", [b"", b"foreign", None])
def test_damaged_files_are_refused(files, name: str, content: bytes | None) -> None:
    path: Path = getattr(files, name)
    path.write_bytes(path.read_bytes()[:-200] if content is None else content)
    files.assert_refused(ModelError if name == "model" else ArtifactError, path.name)


@pytest.mark.parametrize(
    "budget",
    [
        {"epsilon": 1.0, "mac_saving": 0.3},
        {"epsilon": -0.1},
        {"epsilon": math.nan},
        {"epsilon": math.inf},
        {"mac_saving": 1.1},
        {"mac_saving": -0.1},
        {"mac_saving": math.nan},
    ],
)
def test_budgets_out_of_range_are_refused(files, budget: dict[str, float]) -> None:
    files.assert_refused(InvalidArgument, "epsilon|MAC saving", **budget)


def test_unknown_layouts_are_refused(files) -> None:
    files.assert_refused(InvalidArgument, "the layout is 'nhwc'; use auto or nchw", epsilon=1.0, layout="nhwc")


def test_a_budget_is_required(files) -> None:
    with pytest.raises(InvalidArgument, match="no budget is given, and fit was not asked to choose a point; give an"):
        files.convert()
    files.assert_refused(InvalidArgument, "both given; give one of them", epsilon=1.0, mac_saving=0.5)


def test_the_output_directory_must_exist(files) -> None:
    lost = replace(files, output=files.output.parent / "none" / "m.zap.onnx")
    lost.assert_refused(InvalidArgument, "there is no directory")


def test_inputs_are_not_written_over(make_files) -> None:
    """Neither by the model nor by the data that are written beside it."""
    files = make_files(external_data=True)
    inputs = [files.model, files.calibration, files.fit, *external_files(files.model)]
    before = {path: path.read_bytes() for path in inputs}
    link = files.model.with_name("link.onnx")
    link.symlink_to(files.model)
    data = files.model.with_name("m.zap.onnx")
    for output in (*inputs, link):
        replace(files, output=output).assert_refused(InvalidArgument, "the output is also an input")
    files.fit.rename(data.with_name("m.zap.onnx.data"))
    replace(files, fit=data.with_name("m.zap.onnx.data")).assert_refused(InvalidArgument, "m.zap.onnx.data: the output")
    assert all(path.read_bytes() == content for path, content in before.items() if path.exists())


def test_no_file_where_the_check_fails(files, monkeypatch: pytest.MonkeyPatch) -> None:
    """A conversion that forgets the residual must not get through."""
    rewrite = zaponnx.graph.passes.rewrite

    def forgetful(model: onnx.ModelProto, *arguments: Any) -> None:
        rewrite(model, *arguments)
        zap_convs(model)[1].input[7] = "r1"

    monkeypatch.setattr(zaponnx.graph.passes, "rewrite", forgetful)
    files.assert_refused(ModelError, "node 'second': at threshold −∞ it differs from the original")
    assert find_sites(load_model(files.model, "test"))[0]
