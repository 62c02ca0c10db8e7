from pathlib import Path

from benchmarks.kernels import kernel_results, peak_gmacs

PROGRAM = """#!/bin/sh
[ $# = 4 ] || [ -n "$6" ] || exit 2  # as the real one: an option needs a value
echo '{"kind": "peak", "isa": "avx2", "threads": '$2', "gmacs": 50.5}'
echo '{"kind": "peak", "isa": "avx512", "threads": '$2', "gmacs": 57.0}'
echo '{"kind": "layer", "isa": "avx2", "shape": "'"$6"'", "pattern": "'$4'", "threads": '$2', "gmacs": 99.0}'
"""


def test_lines_are_read_for_each_number_of_threads_and_pattern(tmp_path: Path) -> None:
    program = tmp_path / "custom_ops" / "zaponnx_kernel_benchmark"
    program.parent.mkdir()
    program.write_text(PROGRAM)
    program.chmod(0o755)
    results = kernel_results(tmp_path, [1, 2], ["B", "D"], "64 56x56")
    assert [result["threads"] for result in results] == [1] * 6 + [2] * 6
    assert [result["pattern"] for result in results[2::3]] == ["B", "D", "B", "D"]
    assert results[2]["shape"] == "64 56x56"
    assert peak_gmacs(results, 2) == 57.0
    assert len(kernel_results(tmp_path, [1], ["B"])) == 3


def test_without_the_program_there_is_no_peak(tmp_path: Path) -> None:
    assert kernel_results(tmp_path, [1], ["B"]) == []
    assert peak_gmacs([], 1) is None
