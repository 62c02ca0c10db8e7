"""differences: nothing but rounding between a model and its conversion, and every real difference is seen."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

from zaponnx.graph.converted import zap_convs
from zaponnx.models import load_model, save_model
from zoo.converting import at_minus_infinity, at_operating_point, by_winograd, dense
from zoo.equality import WAYS, _largest, differences, sensitivity
from zoo.normalizing import normalize


def everywhere(model: onnx.ModelProto) -> tuple[onnx.ModelProto, onnx.ModelProto]:
    """The model, converted at threshold −∞, and the same for Winograd's filtering."""
    prepared = dense(model)
    return at_minus_infinity(prepared, seed=0), by_winograd(prepared, seed=0)


@pytest.fixture
def normalized(network: onnx.ModelProto, feeds: dict[str, Any]) -> onnx.ModelProto:
    normalize(network, feeds, seed=0)
    return network


def test_a_conversion_differs_by_rounding(normalized: onnx.ModelProto, feeds: dict[str, Any]) -> None:
    """Three layers of up to 72 products, a rounding of 6e-8 for each of some ten of them."""
    models = everywhere(normalized)
    assert [len(zap_convs(model)) for model in models] == [2, 2]
    found = differences(normalized, *models, feeds)
    assert tuple(found) == WAYS
    assert all(difference < 5e-6 for difference in found.values()), found


def test_weights_may_be_on_disk(normalized: onnx.ModelProto, feeds: dict[str, Any], tmp_path: Path) -> None:
    save_model(normalized, tmp_path / "model.onnx", external_data=True)
    loaded = load_model(tmp_path / "model.onnx", "test")
    assert differences(loaded, *everywhere(loaded), feeds) == differences(normalized, *everywhere(normalized), feeds)


@pytest.mark.parametrize("name", ["W1", "B1", "G"])
def test_other_weights_are_seen_in_every_way(
    normalized: onnx.ModelProto, feeds: dict[str, Any], edited: Callable[..., onnx.ModelProto], name: str
) -> None:
    """In the weights of a site, and in those of what is behind all sites."""
    found = differences(normalized, *everywhere(edited(normalized, name, 0.1)), feeds)
    assert all(difference > 1e-4 for difference in found.values()), found


def test_a_skip_is_seen(normalized: onnx.ModelProto, feeds: dict[str, Any]) -> None:
    prepared = dense(normalized)
    model = at_operating_point(prepared, {match.output: 0.0 for match in prepared.matches}, seed=0)
    assert all(difference > 0.1 for difference in differences(normalized, model, model, feeds).values())


@pytest.mark.parametrize(("offset", "least", "most"), [(0, 2e-8, 1.2e-7), (100, 1.5e-6, 3e-6)])
def test_sensitivity_is_that_of_the_model(offset: float, least: float, most: float, feeds: dict[str, Any]) -> None:
    """Values of up to 4 keep their steps of at most 2.4e-7; near 100 they have steps of 7.6e-6."""
    model = onnx.parser.parse_model(f"""<ir_version: 8, opset_import: ["": 17]>
        sums (float[N, 3, 24, 24] x) => (float[N, 3, 24, 24] y)
        <float offset = {{{offset}}}> {{ above = Add (x, offset) y = Sub (above, offset) }}""")
    assert 3 < abs(feeds["x"]).max() < 4.5
    assert least < sensitivity(model, ["y"], feeds) < most


def test_a_nan_in_any_tensor_is_the_largest_difference() -> None:
    assert math.isnan(_largest(iter([0.0, math.nan, 1.0])))
    assert _largest([0.0, 2.0, 1.0]) == 2.0
