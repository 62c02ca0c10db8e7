"""The report's numbers are those of the files that it was made from; what is foreign or damaged is refused."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import zaponnx
from zaponnx.artifact_files import load_calibration, load_fit
from zaponnx.calib.curves import layer_curve
from zaponnx.calib.report.page import page
from zaponnx.errors import ArtifactError, DataError, InvalidArgument, ModelError


@pytest.fixture(scope="module")
def full(small, results, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A report of everything but a conversion."""
    return zaponnx.report(
        small.converted,
        tmp_path_factory.mktemp("full") / "report.html",
        calibration=small.calibration,
        fit=small.fit,
        eval=[results.eval],
        bench=results.bench,
        data=results.data,
        samples=3,
    )


def test_the_headline_is_what_eval_and_bench_measured(full, results) -> None:
    dense, model, _ = results.read("eval")["models"]
    accuracy = full.headline.accuracy
    assert (accuracy.dense_top1, accuracy.top1) == (dense["top1"], model["top1"])
    assert (accuracy.dense_top5, accuracy.top5) == (dense["top5"], model["top5"])
    assert (accuracy.data, accuracy.samples) == (results.data, 8)
    runs = results.read("bench")["runs"]
    assert [asdict(run) for run in full.headline.timings] == runs
    for run in runs:
        spread = f"{run['speedup']:.2f}× ({run['speedup_low']:.2f}–{run['speedup_high']:.2f})"
        assert spread in full.headline.sentence


def test_the_work_saved_is_evals_as_a_share_of_all_convolutions(full, small, results) -> None:
    model = results.read("eval")["models"][1]
    total = zaponnx.inspect(small.model).macs
    predicted = sum(layer["macs"] for layer in model["layers"])
    assert full.headline.work.measured
    assert full.headline.work.whole == pytest.approx(model["mac_saved"] * predicted / total)
    assert full.headline.work.net == pytest.approx(model["net_mac_saved"] * predicted / total)
    assert full.headline.work.predicted == pytest.approx(model["mac_saved"])


def test_the_operating_points_are_the_fits(full, small) -> None:
    points = load_fit(small.fit).points
    assert [(point.epsilon, point.error, point.mac_saved) for point in full.frontier.points] == [
        (point.epsilon, point.error, point.mac_saved) for point in points
    ]
    metadata = zaponnx.inspect(small.converted).metadata
    chosen = full.frontier.chosen
    assert [chosen.epsilon, chosen.error, chosen.mac_saved] == [
        float(metadata[name]) for name in ("epsilon", "error", "mac_saved")
    ]


def test_the_layers_savings_and_errors_add_up_to_each_points(full, small) -> None:
    """To float32, which the hulls have, and six decimals, which the report has."""
    sites = load_calibration(small.calibration).sites
    total = sum(site.macs for site in sites)
    for point in (*full.frontier.points, full.frontier.chosen):
        saved = sum(share * site.macs for share, site in zip(point.layer_saved, sites, strict=True))
        assert saved / total == pytest.approx(point.mac_saved, abs=3e-6)
        squares = (site.weight * error**2 for error, site in zip(point.layer_error, sites, strict=True))
        assert math.sqrt(len(sites) * sum(squares)) == pytest.approx(point.error, abs=3e-6)


def test_what_the_model_carries_gives_the_same_points(full, small, tmp_path: Path) -> None:
    bare = zaponnx.report(small.converted, tmp_path / "bare.html")
    for mine, theirs in zip(bare.frontier.points, full.frontier.points, strict=True):
        assert mine.layer_saved == pytest.approx(theirs.layer_saved, abs=1e-6)
        assert mine.layer_error == pytest.approx(theirs.layer_error, abs=1e-6)


def test_thresholds_of_the_papers_method_go_by_the_measured_curves(small, tmp_path: Path) -> None:
    fit, model = tmp_path / "sigmoid.zapfit.json", tmp_path / "sigmoid.zap.onnx"
    zaponnx.fit(small.calibration, fit, method="sigmoid")
    zaponnx.convert(small.model, small.calibration, fit, model, epsilon=0.5)
    without = zaponnx.report(model, tmp_path / "without.html")
    assert not any(point.layer_saved for point in without.frontier.points)
    found = zaponnx.report(model, tmp_path / "with.html", calibration=small.calibration)
    calibration = load_calibration(small.calibration)
    for point, original in zip(found.frontier.points, load_fit(fit).points, strict=True):
        for site, saved in zip(calibration.sites, point.layer_saved, strict=True):
            curve = layer_curve(site, calibration.edges)
            expected = curve.at(original.thresholds[site.output][0])[1] / site.macs
            assert saved == pytest.approx(expected, abs=1e-6)


def test_evaluated_models_are_points_of_the_frontier(full, results) -> None:
    models = results.read("eval")["models"]
    assert [(each.top1, each.this) for each in full.frontier.evaluated] == [
        (model["top1"], number == 1) for number, model in enumerate(models)
    ]
    assert [each.mac_saved for each in full.frontier.evaluated] == pytest.approx(
        [model["mac_saved"] for model in models]
    )


def test_layers_have_what_eval_measured_of_them(full, results) -> None:
    measured = results.read("eval")["models"][1]["layers"]
    skipping = [layer for layer in full.layers if layer.form == "skips"]
    assert [(layer.name, layer.saved, layer.net_saved) for layer in skipping] == [
        (layer["name"], layer["mac_saved"], layer["net_mac_saved"]) for layer in measured
    ]
    assert all(0 < layer.pattern < 1 and layer.area is not None for layer in skipping)


def test_times_and_reasons_are_the_conversions(results, tmp_path: Path) -> None:
    report = zaponnx.report(results.converted, tmp_path / "report.html", convert=results.convert)
    printed = results.read("convert")
    reasons = {refusal["name"]: refusal["reason"] for refusal in printed["dense"]}
    assert {layer.name: layer.reason for layer in report.layers if layer.form == "dense"} == reasons
    by_name = {layer.name: layer for layer in report.layers}
    names = {site["output"]: site["name"] for site in printed["converted"]}
    for site in printed["tuning"]["sites"] if printed["tuning"] else ():
        if site["output"] in names:
            times = by_name[names[site["output"]]].times
            assert (times.dense_ms, times.now_ms) == tuple(
                site["times"][site["form"]][name] for name in ("dense_ms", "converted_ms")
            )


def test_curves_are_those_of_the_calibration(full, small) -> None:
    calibration = load_calibration(small.calibration)
    for site, found in zip(calibration.sites, full.curves.layers, strict=True):
        curve = layer_curve(site, calibration.edges)
        for threshold, error, macs in zip(full.curves.thresholds, found.error, found.macs, strict=True):
            expected = curve.at(threshold)
            assert error == pytest.approx(expected[0], abs=1e-6)
            assert macs == pytest.approx(1 - expected[1] / site.macs, abs=1e-6)
        if found.coefficients:
            a, b, c, d = found.coefficients["macs"]
            thresholds = np.array(full.curves.thresholds)
            assert found.fitted_macs == pytest.approx(d + a / (1 + np.exp(-b * thresholds + c)), abs=1e-5)


def test_a_bare_report_names_what_it_lacks(small, tmp_path: Path) -> None:
    output = tmp_path / "bare.html"
    report = zaponnx.report(small.converted, output)
    assert [item.part for item in report.missing] == ["work", "accuracy", "time", "layer times", "curves", "maps"]
    assert "expected to be saved" in report.headline.sentence
    assert report.headline.accuracy is None
    assert not report.headline.timings
    text = output.read_text()
    for item in report.missing:
        assert item.command.replace("&", "&amp;").replace(">", "&gt;") in text


def test_a_full_report_lacks_nothing(full, small, results) -> None:
    assert [item.part for item in full.missing] == ["layer times"]
    assert full.facts["Benchmark"]["machine"].startswith(results.read("bench")["cpu"])
    assert any(command.startswith("zaponnx calibrate") and "--data random" in command for command in full.commands)


def test_data_that_were_used_before_are_noted_without_paths(small, results, tmp_path: Path) -> None:
    evaluation, file = results.read("eval"), tmp_path / "eval.json"
    evaluation["notes"] = [f"{model['path']} was seen" for model in evaluation["models"]]
    file.write_text(json.dumps(evaluation))
    report = zaponnx.report(small.converted, tmp_path / "report.html", eval=[file])
    names = ", ".join(Path(model["path"]).name for model in evaluation["models"])
    assert report.facts["Evaluation"]["note"] == f"was seen ({names})"
    assert str(small.model.parent) not in report.output.read_text()


@pytest.mark.parametrize(("speedup", "slower"), [(0.5, True), (1.5, False)])
def test_a_slower_model_is_said_to_want_tuning(full, speedup: float, slower: bool) -> None:
    [run, *_] = full.headline.timings
    timed = replace(full, headline=replace(full.headline, timings=(replace(run, speedup=speedup),)))
    assert ("<code>retune --tune</code> finds" in page(timed, [])) == slower


def test_json_has_the_same_numbers(full, small, results, invoke, tmp_path: Path) -> None:
    output = tmp_path / "report.md"
    result = invoke("report", small.converted, "-o", output, "--eval", results.eval, "--json")
    assert result.exit_code == 0, result.stderr
    printed = json.loads(result.stdout)
    assert printed["headline"]["accuracy"]["top1"] == full.headline.accuracy.top1
    assert printed["frontier"]["points"][3]["error"] == full.frontier.points[3].error
    assert printed["output"] == str(output)


def test_text_output_is_the_headline_and_what_lacks(small, invoke, tmp_path: Path) -> None:
    result = invoke("report", small.converted, "-o", tmp_path / "report.html")
    assert result.stdout.startswith(str(tmp_path / "report.html"))
    assert "zaponnx bench" in result.stdout


@pytest.mark.parametrize("name", ["report.pdf", "report"])
def test_other_formats_are_refused(small, tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidArgument, match=r"give a name that ends in .html or .md"):
        zaponnx.report(small.converted, tmp_path / name)


def test_arguments_that_go_for_nothing_are_refused(small, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="--preprocess is for data only"):
        zaponnx.report(small.converted, tmp_path / "report.html", preprocess="imagenet")
    with pytest.raises(InvalidArgument, match="samples is 0"):
        zaponnx.report(small.converted, tmp_path / "report.html", samples=0)


def test_a_dense_model_is_refused(small, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="it is not converted"):
        zaponnx.report(small.model, tmp_path / "report.html")


def test_no_input_is_overwritten(small, results, tmp_path: Path) -> None:
    page = tmp_path / "results.md"
    page.write_bytes(results.eval.read_bytes())
    with pytest.raises(InvalidArgument, match="the output is also an input"):
        zaponnx.report(small.converted, page, eval=[page])
    assert page.read_bytes() == results.eval.read_bytes()


@pytest.mark.parametrize("name", ["eval", "bench", "convert"])
def test_results_of_another_model_are_refused(small, results, tmp_path: Path, name: str) -> None:
    printed = results.read(name)
    foreign = "f" * 64
    if name == "eval":
        for model in printed["models"]:
            model["original_sha256"] = foreign
    else:
        printed["model_sha256" if name == "bench" else "output_sha256"] = foreign
    path = tmp_path / f"{name}.json"
    path.write_text(json.dumps(printed))
    model = results.converted if name == "convert" else small.converted
    output = tmp_path / "report.html"
    with pytest.raises(ArtifactError, match="is of another model"):
        zaponnx.report(model, output, **{name: [path] if name == "eval" else path})
    assert not output.exists()


def test_artifacts_of_another_model_are_refused(small, tmp_path: Path) -> None:
    calibration, fit = tmp_path / "other.zapcal", tmp_path / "other.zapfit.json"
    zaponnx.calibrate(small.model, "random", calibration, samples=8, epochs=1, refine_steps=0, seed=1)
    zaponnx.fit(calibration, fit)
    for given in ({"calibration": calibration}, {"fit": fit}):
        with pytest.raises(ArtifactError, match="is of another model"):
            zaponnx.report(small.converted, tmp_path / "report.html", **given)


def test_data_that_do_not_suit_are_refused(small, tmp_path: Path) -> None:
    np.savez(tmp_path / "wide.npz", input=np.zeros((4, 3, 5, 5), np.float32))
    with pytest.raises(DataError, match="report: "):
        zaponnx.report(small.converted, tmp_path / "report.html", data=f"npz:{tmp_path / 'wide.npz'}")


@pytest.mark.parametrize("value", [None, "much", "nan"])
def test_a_model_whose_operating_point_is_not_recorded_is_refused(small, tmp_path: Path, value: str | None) -> None:
    model = onnx.load_model(small.converted)
    kept = [entry for entry in model.metadata_props if entry.key != "zaponnx.error"]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    if value is not None:
        model.metadata_props.add(key="zaponnx.error", value=value)
    onnx.save_model(model, tmp_path / "edited.zap.onnx")
    with pytest.raises(ArtifactError, match="do not record its operating point"):
        zaponnx.report(tmp_path / "edited.zap.onnx", tmp_path / "report.html")


def test_a_model_that_carries_nothing_still_has_a_report(small, tmp_path: Path) -> None:
    model = onnx.load_model(small.converted)
    kept = [entry for entry in model.metadata_props if entry.key != "zaponnx.retuning"]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    onnx.save_model(model, tmp_path / "old.zap.onnx")
    report = zaponnx.report(tmp_path / "old.zap.onnx", tmp_path / "report.html")
    assert report.frontier is None
    assert "frontier" in [item.part for item in report.missing]
