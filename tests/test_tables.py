from dataclasses import replace
from pathlib import Path

from zaponnx import measurement_tables, tables
from zaponnx.artifacts import Fit, OperatingPoint
from zaponnx.benchmark import Benchmark, BenchmarkRun

BENCHMARK = Benchmark(
    model=Path("fast.onnx"),
    baseline=Path("slow.onnx"),
    runs=(BenchmarkRun(1, 2.0, 1.0, 2.0, 1.9, 2.1),),
    cpu="Abacus",
    cores=10,
    providers=("CPUExecutionProvider",),
    input_shapes={"x": (1, 3, 8, 8)},
    iterations=5,
    warmup=1,
    versions={},
    model_sha256="0" * 64,
    baseline_sha256="1" * 64,
)


def test_columns_are_aligned() -> None:
    lines = tables.table(["layer", "MACs"], [["a", "1"], ["longer", "12345"]]).splitlines()
    assert lines == ["layer    MACs", "------  -----", "a           1", "longer  12345"]


def test_long_names_lose_their_middle_to_fit_80_columns() -> None:
    names = ["models/" + "a" * 90 + "/first.onnx", "models/" + "a" * 90 + "/second.onnx"]
    lines = tables.table(["model", "top-1"], [[name, "99.00%"] for name in names]).splitlines()
    assert [len(line) for line in lines[1:]] == [80, 80, 80]
    assert all(line.startswith("models/aaa") and "…" in line for line in lines[2:])
    assert ["first.onnx" in lines[2], "second.onnx" in lines[3]] == [True, True]


def test_a_first_column_is_not_cut_to_nothing() -> None:
    line = tables.table(["layer", "wide"], [["features.denseblock4.denselayer16.conv2", "x" * 100]]).splitlines()[-1]
    assert line.split()[0] == "feature…nselayer16.conv2"


def test_unknown_numbers() -> None:
    assert (tables.percent(None), tables.percent(0.25), tables.mega(None), tables.mega(2.5e6)) == (
        "-",
        "25.00%",
        "?",
        "2.50 M",
    )


def test_bench_names_the_machine() -> None:
    text = measurement_tables.bench(BENCHMARK)
    assert "Abacus, 10 cores" in text
    assert "x 1 × 3 × 8 × 8" in text
    assert "NOT" not in text
    assert text.splitlines()[2].split() == ["1", "2.000", "1.000", "2.00×", "(1.90–2.10)"]


def test_bench_says_plainly_what_is_not_faster() -> None:
    text = measurement_tables.bench(
        replace(BENCHMARK, runs=(*BENCHMARK.runs, BenchmarkRun(2, 1.0, 1.0, 1.0, 0.9, 1.1)))
    )
    assert text.splitlines()[-1] == "fast.onnx is NOT faster than slow.onnx with 2 threads."


def test_fit_shows_points_and_failed_curves() -> None:
    points = tuple(OperatingPoint(e, e, e / 10, {"relu": (e,)}) for e in (0.0, 0.015, 0.5, 4.0))
    text = tables.fit(
        Fit(
            "0" * 64,
            "1" * 64,
            "sigmoid",
            "layer",
            "sum",
            points,
            {"relu": {"curve": "measured", "reason": "it is flat"}},
        )
    )
    assert [line.split()[0] for line in text.splitlines()[2:6]] == ["0", "0.015", "0.5", "4"]
    assert "relu: no sigmoid fits (it is flat)" in text


def test_demo_says_why_its_budget_was_chosen(demo_result) -> None:
    assert "epsilon 0.2, the largest before one loses more than half a point" in measurement_tables.demo(demo_result)
    none = measurement_tables.demo(replace(demo_result, epsilon=0.0))
    assert "epsilon 0, since even the smallest other one tried loses more than half a point" in none


def test_demo_shows_what_tuning_made_of_the_layers(demo_result) -> None:
    assert demo_result.tuned.tuning is not None
    (site,) = demo_result.tuned.tuning.sites
    forms = {"winograd": 0, "skipping": 0, "dense": 0} | {site.form.value: 1}
    counts = f"{forms['winograd']} layers in full by Winograd's, {forms['skipping']} skipping, {forms['dense']} dense"
    assert f"tuned for 1 threads: {counts}; top-1 " in measurement_tables.demo(demo_result)


def test_demo_lists_what_it_wrote_and_nothing_else(demo_result) -> None:
    last = measurement_tables.demo(demo_result).splitlines()[-1]
    assert (demo_result.output / "again.onnx").exists()
    assert last.endswith(": model.onnx, model.zapcal, model.zapfit.json, model.zap.onnx")
