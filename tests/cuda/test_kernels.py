"""The CUDA kernels on a GPU, through the C interface with torch's tensors, against the formula on the CPU."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
import torch

if not torch.cuda.is_available():
    pytest.skip("there is no GPU", allow_module_level=True)

from benchmarks.gpu.library import PRECISIONS
from tests.cuda.layers import Layer, Random

TILES = (((1, 0), (0, 1)), ((0, 0, 1), (0, 1, 0), (1, 0, 0)), ((0, 1, 1, 0),), ((0,),), ((1,),))

CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "residual": {"residual": True},
    "ReLU6, strides": {"bound": 6.0, "strides": (2, 3), "residual": True},
    "asymmetric pads": {"pads": (0, 1, 2, 3), "size": (12, 13)},
    "dilations": {"dilations": (2, 3), "pads": (2, 3, 2, 3), "tile": TILES[1]},
    "groups": {"in_channels": 24, "channels": 48, "group": 3},
    "depthwise": {"in_channels": 9, "channels": 9, "group": 9},
    "flat kernel": {"kernel": (1, 5), "pads": (0, 2, 0, 2)},
    "1x1": {"kernel": (1, 1), "pads": (0, 0, 0, 0), "in_channels": 130},
    "one pixel": {"size": (1, 1)},
    "K in slices": {"in_channels": 256, "size": (7, 7), "batch": 1},
    "large": {"batch": 8, "in_channels": 64, "channels": 128, "size": (56, 56), "tile": TILES[1]},
    "everything": {"threshold": (-math.inf,)},
    "pattern only": {"threshold": (math.inf,)},
    "no pattern": {"tile": TILES[3]},
    "all pattern": {"tile": TILES[4]},
    "NaN": {"poison": math.nan},
    "infinity": {"poison": math.inf},
}


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", CASES)
def test_the_formula(name: str, precision: str) -> None:
    for nhwc in (False, True):
        for elements in (-1, 0, 64):
            layer = Layer(Random(**CASES[name]), precision, nhwc=nhwc, elements=elements)
            layer.launch()
            assert layer.random.wrong(layer.result()) == 0, (nhwc, elements)


@pytest.mark.parametrize("name", CASES)
def test_the_reference(name: str) -> None:
    layer = Layer(Random(**CASES[name]), method=1)
    layer.launch()
    assert layer.random.wrong(layer.result()) == 0


@pytest.mark.parametrize("seed", range(60))
def test_random_shapes_and_densities(seed: int) -> None:
    draw = random.Random(seed)
    pick = draw.randint
    group = pick(2, 3) if pick(0, 3) == 0 else 1
    layer = Layer(
        Random(
            batch=pick(1, 4),
            in_channels=group * pick(1, 80),
            channels=group * pick(1, 140),
            size=(pick(8, 40), pick(8, 40)),
            kernel=(pick(1, 4), pick(1, 4)),
            strides=(pick(1, 3), pick(1, 3)),
            pads=(pick(0, 2), pick(0, 2), pick(0, 2), pick(0, 2)),
            dilations=(pick(1, 2), pick(1, 2)),
            group=group,
            tile=draw.choice(TILES),
            threshold=(draw.choice((-math.inf, -20.0, -5.0, 0.0, 5.0, 20.0, math.inf)),),
            residual=pick(0, 1) == 1,
            seed=seed,
        ),
        draw.choice(list(PRECISIONS)),
        nhwc=pick(0, 1) == 1,
        elements=pick(-1, 64),
    )
    layer.launch()
    assert layer.random.wrong(layer.result()) == 0


@pytest.mark.parametrize("precision", PRECISIONS)
def test_runs_give_the_same_bits(precision: str) -> None:
    """Blocks come in another order in every run, and fill the lists in it."""
    layer = Layer(Random(batch=4, in_channels=128, channels=128, size=(28, 28)), precision, elements=24)
    layer.launch()
    first = layer.result()
    work = layer.work()
    assert work.tiles > 0
    assert work.elements > 0
    for _ in range(20):
        layer.launch()
        assert torch.equal(layer.result(), first)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_captured_graph_follows_its_input(precision: str) -> None:
    layer = Layer(Random(in_channels=256, size=(14, 14), residual=True), precision)
    layer.launch()
    torch.cuda.synchronize()
    expected = layer.result()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        layer.launch()
    original = layer.x.clone()
    layer.x.zero_()
    graph.replay()
    assert not torch.equal(layer.result(), expected)
    layer.x.copy_(original)
    graph.replay()
    assert torch.equal(layer.result(), expected)


def test_streams_run_one_layer_at_the_same_time() -> None:
    """Each with a workspace of its own."""
    layers = [Layer(Random(in_channels=64, size=(28, 28), residual=True)) for _ in range(4)]
    torch.cuda.synchronize()
    streams = [torch.cuda.Stream() for _ in layers]
    for _ in range(5):
        for layer, stream in zip(layers, streams, strict=True):
            with torch.cuda.stream(stream):
                layer.launch()
    torch.cuda.synchronize()
    assert layers[0].random.wrong(layers[0].result()) == 0
    for layer in layers[1:]:
        assert torch.equal(layer.result(), layers[0].result())
