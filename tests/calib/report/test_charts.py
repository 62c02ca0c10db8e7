"""The charts' data: parts that add up, rows for every layer."""

from dataclasses import replace

import pytest

from zaponnx.calib.report.chart_parts import unique
from zaponnx.calib.report.charts import BARS, bar_name, work_parts
from zaponnx.calib.report.contents import FORMS, Layer

LAYER = Layer("conv", "skips", "", 1000.0, 50.0, 0.5, (0.1,), saved=0.3, net_saved=0.25)


def test_parts_add_up_to_the_dense_work() -> None:
    assert work_parts(LAYER) == pytest.approx(
        {
            "computed, in the pattern": 500,
            "computed, predicted not to be zero": 200,
            "the predictor's own": 50,
            "saved": 250,
        }
    )


def test_a_predictor_that_costs_more_than_it_saves() -> None:
    """Nothing is saved, and the bar is longer than the dense work."""
    parts = work_parts(replace(LAYER, saved=0.01))
    assert "saved" not in parts
    assert sum(parts.values()) == pytest.approx(1040)


def test_without_a_measurement_it_is_what_is_expected() -> None:
    assert work_parts(replace(LAYER, saved=None, expected_saved=0.4))["saved"] == pytest.approx(350)
    assert work_parts(replace(LAYER, saved=None)) == {}


def test_dense_layers_and_those_of_unknown_size() -> None:
    dense = replace(LAYER, form="dense", pattern=None, predictor_macs=0)
    assert work_parts(dense) == {"computed, without prediction": 1000}
    assert work_parts(replace(LAYER, macs=None)) == {}


def test_layers_in_full_have_a_part_of_their_own() -> None:
    full = replace(LAYER, form="in full", pattern=1.0)
    assert work_parts(full) == {"computed in full, by Winograd's": 1000}
    assert {bar_name(full, False), bar_name(full, True), bar_name(LAYER, True)} <= set(BARS)


def test_every_form_has_its_bar_and_its_color() -> None:
    assert {bar_name(replace(LAYER, form=form), now) for form in FORMS for now in (False, True)} == set(BARS)


def test_each_row_has_a_name_of_its_own() -> None:
    assert unique(["a", "b", "a"]) == ["a", "b", "a (2)"]
