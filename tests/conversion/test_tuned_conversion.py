"""convert with tune: what the report, the metadata and the model say; the times are made up."""

from __future__ import annotations

import json
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conversion.tuning import TUNE, FakeStopwatch, reasons
from zaponnx import tables
from zaponnx.artifact_files import load_calibration, load_fit, save_fit
from zaponnx.calib.hulls import hulls
from zaponnx.errors import DataError, InvalidArgument
from zaponnx.graph.converted import attributes, read_metadata, zap_convs
from zaponnx.machine import cpu_cores, cpu_name
from zaponnx.models import load_model
from zaponnx.retuning import retune
from zaponnx.site_choice import redistribute


def thresholds(files) -> dict[str, float]:
    """By the ZapConvs' names, as they are in the model."""
    return {node.name: attributes(node)["threshold"][0] for node in zap_convs(load_model(files.output, "test"))}


def test_where_all_pays_only_the_record_differs(files, gains) -> None:
    files.convert(epsilon=1.0)
    plain = load_model(files.output, "test")
    gains(r1=0.5, r2=0.25)
    report = files.convert(epsilon=1.0, **TUNE)
    tuned = load_model(files.output, "test")
    assert (tuned.graph, report.error, report.budget_missed) == (plain.graph, 0.9, "")
    recorded = {"tuned": "true", "tuned_cpu": cpu_name(), "tuned_threads": str(cpu_cores())}
    assert read_metadata(tuned) == read_metadata(plain) | recorded
    assert "2.000 ms dense, 1.000 ms converted" in tables.convert(report)
    assert "zaponnx bench" not in tables.convert(report)


def test_what_does_not_pay_stays_dense_and_leaves_its_budget_to_the_others(files, gains) -> None:
    gains(r1=0.5, r2=-0.25)
    report = files.convert(epsilon=1.0, **TUNE)
    point = redistribute(hulls(load_calibration(files.calibration), "layer"), "sum", 1.0, ["r2"])
    assert thresholds(files) == {"first": point.thresholds["r1"][0]}
    assert point.thresholds["r1"] > (0.5,)
    assert [site.name for site in report.converted] == ["first"]
    reason = (
        "it does not pay on this machine: 2.000 ms dense, 3.000 ms in full by Winograd's, the difference ± 0.010 ms; "
        "2.000 ms dense, 2.250 ms skipping, the difference ± 0.010 ms"
    )
    assert reasons(report)["second"] == reason
    text = tables.convert(report).splitlines()
    assert f"second stays dense: {reason}" in text
    assert text[0].split()[-4:] == ["dense", "ms", "ZapConv", "ms"]
    assert text[2].split()[-2:] == ["2.000", "1.500"]
    assert (report.epsilon, report.error, report.mac_saved) == (1.0, point.error, point.mac_saved)
    metadata = read_metadata(load_model(files.output, "test"))
    assert [json.loads(metadata[name]) for name in ("epsilon", "error", "mac_saved")] == [
        1.0,
        point.error,
        point.mac_saved,
    ]


def test_a_site_in_full_skips_nothing_and_keeps_its_predictor(files, gains) -> None:
    """The other one gets its budget; and from the tuned model all operating points can still be reached."""
    files.convert(epsilon=1.0)
    plain = files.output.read_bytes()
    gains(r1=0.5, r2=0.25, in_full={"r1": 1.0, "r2": -1.0})
    report = files.convert(epsilon=1.0, **TUNE)
    first, second = (attributes(node) for node in zap_convs(load_model(files.output, "test")))
    assert (first["pattern"], first["pattern_shape"], first["threshold"]) == ([1], [1, 1], [-math.inf])
    point = redistribute(hulls(load_calibration(files.calibration), "layer"), "sum", 1.0, ["r1"])
    assert second["threshold"] == list(point.thresholds["r2"])
    assert (report.error, report.mac_saved) == (point.error, point.mac_saved)
    assert reasons(report).keys() == {"stem", "head"}
    assert [row.split()[2:4] for row in tables.convert(report).splitlines()[2:3]] == [["M", "all"]]
    assert json.loads(json.dumps(report.to_json(), allow_nan=False))["converted"][0]["thresholds"] == ["-inf"]
    back = files.output.with_name("back.onnx")
    retune(files.output, back, epsilon=1.0)
    assert back.read_bytes() == plain


def test_the_report_has_the_measurement(files, gains) -> None:
    gains(r1=0.5, r2=-0.25)
    report = files.convert(epsilon=1.0, **TUNE, batch_size=3, threads=1)
    printed = json.loads(json.dumps(report.to_json(), allow_nan=False))["tuning"]
    assert (printed["cpu"], printed["cores"], printed["threads"]) == (cpu_name(), cpu_cores(), 1)
    assert (printed["data"], printed["batch_size"], printed["batches"]) == ("random", 3, 5)
    assert printed["sites"] == [
        {
            "output": output,
            "form": "skipping" if gain > 0 else "dense",
            "times": {
                form: {"dense_ms": 2.0, "converted_ms": 2.0 - gained, "gain_ms": gained, "noise_ms": 0.01}
                for form, gained in (("winograd", -1.0), ("skipping", gain))
            },
        }
        for output, gain in (("r1", 0.5), ("r2", -0.25))
    ]
    assert printed["model"]["gain_ms"] == 1.0
    assert printed["versions"]["onnxruntime"]
    (stopwatch,) = FakeStopwatch.made
    assert (stopwatch.path, stopwatch.threads) == (files.model, 1)
    assert [feed["x"].shape for feed in stopwatch.feeds] == [(3, 4, 12, 12)] * 5
    assert stopwatch.tensors == {"r1": ["c1", "r1"], "r2": ["c2", "a", "r2"]}


@pytest.mark.parametrize(("gain", "whole"), [(-0.5, 1.0), (0.5, -1.0)])
def test_nothing_pays(files, gains, make_network, gain: float, whole: float) -> None:
    gains(r1=gain, r2=gain, whole=whole)
    report = files.convert(epsilon=1.0, **TUNE)
    model = load_model(files.output, "test")
    assert list(model.graph.node) == list(make_network().graph.node)
    assert not model.functions
    assert (report.converted, report.error, report.mac_saved, report.budget_missed) == ((), 0.0, 0.0, "")
    assert report.tuning.model is None
    assert reasons(report).keys() == {"stem", "head", "first", "second"}
    assert "NOTHING PAYS" in tables.convert(report)
    assert read_metadata(model)["tuned"] == "true"


def test_a_goal_that_the_paying_sites_do_not_reach_is_missed(files, gains) -> None:
    """The budget is that of the point that reaches it with all sites, where the second has nothing to skip."""
    gains(r1=-0.5, r2=0.5)
    report = files.convert(mac_saving=0.2, **TUNE)
    point = redistribute(hulls(load_calibration(files.calibration), "layer"), "sum", 0.5, ["r1"])
    assert (report.epsilon, report.error, report.mac_saved) == (0.5, point.error, point.mac_saved)
    assert thresholds(files) == {"second": math.inf}
    assert report.budget_missed.startswith(
        f"the layers that skip save {point.mac_saved:.2%} of the MACs, and not 20.00%"
    )


def test_budgets_that_the_fit_exceeds_are_kept_where_sites_stay_dense(files, gains) -> None:
    """As a sigmoid's points may: the least of them loses more than was asked for, and the rest of the sites do not."""
    fit = load_fit(files.fit)
    save_fit(replace(fit, points=fit.points[2:]), files.fit)
    gains(r1=0.5, r2=-0.5)
    report = files.convert(epsilon=0.3, **TUNE)
    assert 0 < report.error <= 0.3
    assert report.budget_missed == ""
    assert math.isfinite(thresholds(files)["first"])


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"tune": True}, "tuning needs data, since what a layer skips depends on them; give --data"),
        ({"data": "random"}, "--data is for tuning only; add --tune"),
        ({"batch_size": 2}, "--batch-size is for tuning only"),
        ({"preprocess": "none"}, "--preprocess is for tuning only"),
        ({"threads": 1}, "--threads is for tuning only"),
        (TUNE | {"threads": 0}, "number of threads is 0"),
        (TUNE | {"threads": 1000}, "1000 threads are too many"),
        (TUNE | {"batch_size": 0}, "batch size is 0"),
    ],
)
def test_arguments_that_do_not_go_together(files, options: dict[str, Any], problem: str) -> None:
    files.assert_refused(InvalidArgument, problem, epsilon=1.0, **options)


def test_data_that_do_not_suit(files, tmp_path) -> None:
    with pytest.raises(InvalidArgument, match="unknown data 'tarot'"):
        files.convert(epsilon=1.0, tune=True, data="tarot")
    with pytest.raises(DataError, match="not a float image batch"):
        files.convert(epsilon=1.0, tune=True, data="digits")
    assert not files.output.exists()


def test_the_data_are_not_written_over(files) -> None:
    files.output.write_bytes(b"precious")
    with pytest.raises(InvalidArgument, match="the output is also an input"):
        files.convert(epsilon=1.0, tune=True, data=f"npz:{files.output}")
    assert files.output.read_bytes() == b"precious"


def test_retuning_tunes_as_convert_does(files, gains) -> None:
    """With the curves that the model carries; and a tuned model can be retuned without."""
    gains(r1=0.5, r2=-0.25)
    options: dict[str, Any] = {"epsilon": 1.0, "tune": True, "data": "random", "threads": 1}
    files.convert(epsilon=2.0)
    retuned = files.output.with_name("retuned.onnx")
    report = retune(files.output, retuned, **options)
    expected = files.convert(**options)
    assert retuned.read_bytes() == files.output.read_bytes()
    assert (report.converted, report.dense, report.tuning) == (expected.converted, expected.dense, expected.tuning)
    back = files.output.with_name("back.onnx")
    retune(retuned, back, epsilon=2.0)
    files.convert(epsilon=2.0)
    assert back.read_bytes() == files.output.read_bytes()


def test_real_times_on_the_command_line(run, small, tmp_path: Path) -> None:
    """Whatever they are, report, model and exit code agree, and nothing but the output is left."""
    output, temporary = tmp_path / "out" / "m.zap.onnx", tmp_path / "temporary"
    output.parent.mkdir()
    temporary.mkdir()
    arguments = [small.model, "--calibration", small.calibration, "--fit", small.fit, "-o", output, "--epsilon", 0.5]
    tuning = ["--tune", "--data", "random", "--batch-size", 2, "--threads", 1, "--json", "--verbose"]
    result = run("convert", *arguments, *tuning, env={**os.environ, "TMPDIR": str(temporary)})
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    (site,) = report["tuning"]["sites"]
    times = site["times"]["skipping"]
    assert min(times["dense_ms"], times["converted_ms"]) > 0
    converted = site["form"] != "dense"
    assert converted == bool(report["converted"]) == (report["tuning"]["model"] is not None)
    assert converted == bool(zap_convs(load_model(output, "test")))
    assert any("ms dense" in refusal["reason"] for refusal in report["dense"]) != converted
    assert "timing the layers, 1 skipping, 0 by Winograd" in result.stderr.splitlines()
    assert [path.name for path in output.parent.iterdir()] == ["m.zap.onnx"]
    left = {path.name for path in temporary.iterdir()}
    assert left <= {".ses"}, "which ONNX Runtime leaves whenever it is imported"


def test_tuning_without_data_is_a_usage_error(invoke, small, tmp_path: Path) -> None:
    output = tmp_path / "m.zap.onnx"
    arguments = [small.model, "--calibration", small.calibration, "--fit", small.fit, "-o", output, "--epsilon", 0.5]
    result = invoke("convert", *arguments, "--tune")
    assert (result.exit_code, result.stdout, output.exists()) == (2, "", False)
    assert "tuning needs data, since what a layer skips depends on them; give --data" in result.stderr
