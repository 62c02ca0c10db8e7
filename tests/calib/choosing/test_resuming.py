"""fit that is interrupted: what was run is kept, and used where it fits."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.calib.choosing.stand_ins import left
from zaponnx.calib.fitting import fit


@pytest.mark.parametrize("after", [1, 3, 5])
def test_an_interrupted_search_goes_on_where_it_was(
    by_drop, evaluations, tmp_path: Path, caplog: pytest.LogCaptureFixture, after: int
) -> None:
    whole = fit(**by_drop, max_drop=0.2)
    content, needed = by_drop["output"].read_bytes(), len(evaluations.calls)
    by_drop["output"].unlink()
    evaluations.calls.clear()
    evaluations.interrupt_after = after
    with pytest.raises(KeyboardInterrupt):
        fit(**by_drop, max_drop=0.2)
    assert left(tmp_path) == ["held.npz", "m.zapfit.json.partial"]
    evaluations.interrupt_after = -1
    assert fit(**by_drop, max_drop=0.2) == whole
    assert "going on from" in caplog.text
    assert f"in which {after} models are done" in caplog.text
    assert len(evaluations.calls) == needed
    assert by_drop["output"].read_bytes() == content
    assert left(tmp_path) == ["held.npz", "m.zapfit.json"]


def test_a_search_for_another_drop_uses_what_was_evaluated_and_other_settings_do_not(
    by_drop, evaluations, caplog: pytest.LogCaptureFixture
) -> None:
    for interrupt_after, options in (
        (4, {"max_drop": 0.2}),
        (4, {"max_drop": 0.1}),
        (8, {"max_drop": 0.1, "samples": 4}),
    ):
        evaluations.interrupt_after = interrupt_after
        with pytest.raises(KeyboardInterrupt):
            fit(**by_drop, **options)
    assert caplog.text.count("in which 4 models are done") == 1
    assert "m.zapfit.json.partial is of another data: starting anew" in caplog.text
    assert evaluations.calls[-1]["samples"] == 4


def test_a_damaged_partial_file_starts_anew(by_drop, evaluations, caplog: pytest.LogCaptureFixture) -> None:
    partial = by_drop["output"].with_name("m.zapfit.json.partial")
    partial.write_bytes(b"damaged")
    assert fit(**by_drop, max_drop=0.2).chosen
    assert "m.zapfit.json.partial is damaged, or another version's: starting anew" in caplog.text
    assert not partial.exists()
