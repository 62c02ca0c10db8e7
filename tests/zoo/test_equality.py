"""differences: nothing but rounding between a model and its conversion, and every real difference is seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

from zaponnx.graph.converted import zap_convs
from zaponnx.models import load_model, save_model
from zoo.converting import at_minus_infinity, at_operating_point, by_winograd, dense
from zoo.equality import WAYS, differences
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
