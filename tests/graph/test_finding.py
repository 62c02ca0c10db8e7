"""Which Convs are sites, and the reason for each that is none."""

from __future__ import annotations

import math
from collections.abc import Callable

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from zaponnx.graph.finding import find_sites
from zaponnx.graph.site import Refusal, Site

ModelBuilder = Callable[..., onnx.ModelProto]

# The stem is what makes the next Conv not the first one.
STEM = "float[N,4,12,12] x) => (float[N,8,12,12] y) { [stem] c0 = Conv<pads=[1,1,1,1]>(x, W0) s = Relu(c0)"
W0 = (8, 4, 3, 3)
W = (8, 8, 3, 3)
CONV = "[conv] c = Conv<pads=[1,1,1,1]>(s, W)"


def site(residual: str = "", bound: float = math.inf, macs_per_output: int = 72) -> Site:
    return Site("conv", "y", residual, 8, macs_per_output, bound)


BATCH_NORM = {"scale": (8,), "shift": (8,), "mean": (8,), "var": (8,)}
ONE_SITE = {
    "relu": (f"{CONV} y = Relu(c)", {}, site()),
    "bias": ("[conv] c = Conv<pads=[1,1,1,1]>(s, W, B) y = Relu(c)", {"B": (8,)}, site()),
    "batch norm": (f"{CONV} n = BatchNormalization(c, scale, shift, mean, var) y = Relu(n)", BATCH_NORM, site()),
    "residual left": (f"{CONV} a = Add(c, s) y = Relu(a)", {}, site("s")),
    "residual right": (f"{CONV} a = Add(s, c) y = Relu(a)", {}, site("s")),
    "batch norm and residual": (
        f"{CONV} n = BatchNormalization(c, scale, shift, mean, var) a = Add(s, n) y = Relu(a)",
        BATCH_NORM,
        site("s"),
    ),
    "relu6": (f"{CONV} y = Clip(c, low, high)", {}, site(bound=6.0)),
    "clip without max": (f"{CONV} y = Clip(c, low)", {}, site()),
    "constant nodes": (f"{CONV} zero = Constant<value_float=0.0>() y = Clip(c, zero, high)", {}, site(bound=6.0)),
    "identity of weights": ("V = Identity(W) [conv] c = Conv<pads=[1,1,1,1]>(s, V) y = Relu(c)", {}, site()),
    "auto_pad with stride 1": ('[conv] c = Conv<auto_pad="SAME_LOWER">(s, W) y = Relu(c)', {}, site()),
    "several readers of the relu": (f"{CONV} r = Relu(c) p = Sigmoid(r) y = Add(p, r)", {}, None),
    "grouped": (
        "[conv] c = Conv<pads=[1,1,1,1], group=2>(s, V) y = Relu(c)",
        {"V": (8, 4, 3, 3)},
        site(macs_per_output=36),
    ),
}


def with_scalars(model: onnx.ModelProto, **values: float) -> onnx.ModelProto:
    for name, value in values.items():
        model.graph.initializer.append(numpy_helper.from_array(np.array(value, np.float32), name))
    return model


@pytest.mark.parametrize(("nodes", "shapes", "expected"), ONE_SITE.values(), ids=ONE_SITE.keys())
def test_sites(
    build_model: ModelBuilder, nodes: str, shapes: dict[str, tuple[int, ...]], expected: Site | None
) -> None:
    model = with_scalars(build_model(f"({STEM} {nodes} }}", W0=W0, W=W, **shapes), low=0, high=6)
    sites, refusals = find_sites(model)
    assert sites == [expected or Site("conv", "r", "", 8, 72, math.inf)]
    assert refusals == [Refusal("stem", "it is the first convolution of the network")]


def test_initializers_that_an_input_can_override_are_no_constants(build_model: ModelBuilder) -> None:
    """From IR version 4 on; before, every initializer is listed as an input."""
    batch_norm = "n = BatchNormalization(c, scale, shift, mean, var)"
    text = f"({STEM} [conv] c = Conv<pads=[1,1,1,1]>(s, W, B) {batch_norm} y = Clip(n, low, high) }}"
    for name, reason in (
        ("W", "its weights are"),
        ("B", "its bias is"),
        ("mean", "the parameters of BatchNormalization 'n' are"),
        ("high", "the bounds of Clip 'y' are"),
    ):
        for ir_version, opset in ((3, 12), (4, 12), (8, 17)):
            model = build_model(text, ir_version=ir_version, opset=opset, W0=W0, W=W, B=(8,), **BATCH_NORM)
            with_scalars(model, low=0, high=6)
            tensor = next(tensor for tensor in model.graph.initializer if tensor.name == name)
            model.graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, tensor.dims))
            sites, refusals = find_sites(model)
            assert len(sites) == (ir_version == 3), (name, ir_version)
            assert refusals[-1].reason.startswith(reason) or ir_version == 3


REFUSED = {
    "no relu": (f"{CONV} y = Sigmoid(c)", "no ReLU"),
    "output of the model": ("[conv] y = Conv<pads=[1,1,1,1]>(s, W)", "is an output of the model"),
    "two readers": (f"{CONV} r = Relu(c) y = Add(r, c)", "its output is needed before its ReLU too, by Add 'y'"),
    "two relus": (f"{CONV} r = Relu(c) q = Clip(c, low, high) y = Add(r, q)", "its output goes to 2 ReLUs"),
    "no relu of two": (f"{CONV} r = Sigmoid(c) y = Mul(r, c)", "goes to 2 nodes, and none of them is a ReLU"),
    "added to itself": (f"{CONV} a = Add(c, c) y = Relu(a)", "its output goes to Add 'a' twice"),
    "unread": (f"{CONV} y = Relu(s)", "its output goes nowhere"),
    "two adds": (f"{CONV} a = Add(c, s) b = Add(a, s) y = Relu(b)", "goes to Add"),
    "batch norm behind add": (
        f"{CONV} a = Add(c, s) n = BatchNormalization(a, v, v, v, v) y = Relu(n)",
        "goes to BatchNormalization",
    ),
    "as a parameter": ("[conv] c = Conv(s, U) f = Flatten<axis=0>(c) y = Relu(s)", "goes to Flatten"),
    "training": (f"{CONV} n = BatchNormalization<training_mode=1>(c, v, v, v, v) y = Relu(n)", "in training mode"),
    "computed statistics": (f"{CONV} m = Exp(v) n = BatchNormalization(c, v, v, m, v) y = Relu(n)", "are computed"),
    "leaky clip": (f"{CONV} y = Clip(c, high, high)", "clips to [6, 6]"),
    "no lower bound": (f'{CONV} y = Clip(c, "", high)', "clips to [-inf, 6]"),
    "computed bound": (f"{CONV} h = Exp(high) y = Clip(c, low, h)", "are no constants"),
    "computed weights": ("V = Exp(W) [conv] c = Conv<pads=[1,1,1,1]>(s, V) y = Relu(c)", "weights are computed"),
    "quantized weights": (
        "q = DequantizeLinear(Q, v) V = Transpose(q) [conv] c = Conv<pads=[1,1,1,1]>(s, V) y = Relu(c)",
        "its weights are quantized, see DequantizeLinear 'q': give the float32 model",
    ),
    "computed bias": ("u = Exp(v) [conv] c = Conv<pads=[1,1,1,1]>(s, W, u) y = Relu(c)", "bias is computed"),
    "depthwise": ("[conv] c = Conv<pads=[1,1,1,1], group=8>(s, D) y = Relu(c)", "9 MACs per output are too few"),
    "depthwise with a large kernel": (
        "[conv] c = Conv<pads=[2,2,2,2], group=8>(s, L) y = Relu(c)",
        "it is depthwise (one input channel in each group), which is faster dense",
    ),
    "broadcast map": (f"{CONV} g = GlobalAveragePool(s) a = Add(c, g) y = Relu(a)", "must not broadcast"),
    "unknown shape": (f"{CONV} t = Tile(s, e) a = Add(c, t) y = Relu(a)", "adds ?×?×?×? to N×8×12×12"),
    "unknown rank": (f"{CONV} t = Reshape(s, e) a = Add(c, t) y = Relu(a)", "unknown"),
}


@pytest.mark.parametrize(("nodes", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_refusals(build_model: ModelBuilder, nodes: str, reason: str) -> None:
    shapes = {"v": (8,), "U": (8, 8, 3, 3), "D": (8, 1, 3, 3), "L": (8, 1, 5, 5)}
    model = with_scalars(build_model(f"(int64[r] e, {STEM} {nodes} }}", W0=W0, W=W, **shapes), low=0, high=6)
    model.graph.initializer.append(numpy_helper.from_array(np.ones((8, 8, 3, 3), np.int8), "Q"))
    sites, refusals = find_sites(model)
    assert sites == []
    assert [refusal.name for refusal in refusals] == ["stem", "conv"]
    assert reason in refusals[1].reason
    assert "\n" not in refusals[1].reason


@pytest.mark.parametrize("operands", ["c, d", "d, c"])
@pytest.mark.parametrize("small_first", [False, True])
def test_two_convs_of_an_add(build_model: ModelBuilder, operands: str, small_first: bool) -> None:
    """The conv with more work is the site, on either side of the Add; the other is its residual."""
    convs = [CONV, "[small] d = Conv<pads=[1,0,1,0]>(s, V)"]
    nodes = f"{' '.join(convs[::-1] if small_first else convs)} a = Add({operands}) y = Relu(a)"
    sites, refusals = find_sites(build_model(f"({STEM} {nodes} }}", W0=W0, W=W, V=(8, 8, 3, 1)))
    assert sites == [site("d")]
    assert refusals[1] == Refusal("small", "it is the residual of 'conv', which has more MACs")


def test_a_conv_that_is_no_site_gives_way_in_an_add(build_model: ModelBuilder) -> None:
    """The larger conv's weights are computed, so the smaller one is the site."""
    nodes = "V = Exp(W) [large] d = Conv<pads=[1,1,1,1]>(s, V) [conv] c = Conv<pads=[1,0,1,0]>(s, U) a = Add(c, d)"
    sites, refusals = find_sites(build_model(f"({STEM} {nodes} y = Relu(a) }}", W0=W0, W=W, U=(8, 8, 3, 1)))
    assert sites == [site("d", macs_per_output=24)]
    assert refusals[1] == Refusal("large", "its weights are computed or an input, not constant")


def test_first_conv_on_request(build_model: ModelBuilder) -> None:
    model = build_model(f"({STEM} {CONV} y = Relu(c) }}", W0=W0, W=W)
    sites, refusals = find_sites(model, include_first=True)
    assert [found.name for found in sites] == ["stem", "conv"]
    assert refusals == []


def test_every_conv_that_no_conv_precedes_is_first(build_model: ModelBuilder) -> None:
    text = """(float[N,4,12,12] x) => (float[N,8,12,12] y) {
        p = Sigmoid(x) [left] l = Conv<pads=[1,1,1,1]>(p, W0) k = Relu(l)
        [right] r = Conv<pads=[1,1,1,1]>(x, W0) q = Relu(r) y = Add(k, q) }"""
    sites, refusals = find_sites(build_model(text, W0=W0))
    assert sites == []
    assert [refusal.name for refusal in refusals] == ["left", "right"]


def test_unnamed_convs_are_named_by_their_output(build_model: ModelBuilder) -> None:
    sites, refusals = find_sites(build_model(f"({STEM} c = Conv<pads=[1,1,1,1]>(s, W) y = Relu(c) }}", W0=W0, W=W))
    assert [sites[0].name, refusals[0].name] == ["c", "stem"]


BRANCHES = """If(flag) <then_branch = then () => (t) { [inner] c = Conv<pads=[1,1,1,1]>(s, W) t = Relu(c) },
    else_branch = else () => (e) { e = Identity(s) }>"""
NESTED = {
    "if": (f"[outer] y = {BRANCHES}", "If"),
    "if in an if": (
        f"""[outer] y = If(flag) <then_branch = a () => (q) {{ q = {BRANCHES} }},
        else_branch = b () => (z) {{ z = Identity(s) }}>""",
        "If",
    ),
    "loop": (
        """[outer] y = Loop(count, flag, s) <body = body (int64 i, bool go, float[N,8,12,12] v) => (again, t)
        { again = Identity(go) [inner] c = Conv<pads=[1,1,1,1]>(v, W) t = Relu(c) }>""",
        "Loop",
    ),
    "scan": (
        """[outer] l, y = Scan(s, v) <num_scan_inputs=1, body = body (float[N,8,12,12] v, float k) => (t, u)
        { [inner] c = Conv<pads=[1,1,1,1]>(v, W) t = Relu(c) u = Identity(k) }>""",
        "Scan",
    ),
}


@pytest.mark.parametrize(("nodes", "operator"), NESTED.values(), ids=NESTED.keys())
def test_convs_in_subgraphs_are_refused_by_name(build_model: ModelBuilder, nodes: str, operator: str) -> None:
    model = build_model(f"(bool flag, int64 count, {STEM} {nodes} }}", W0=W0, W=W, v=(3,))
    sites, refusals = find_sites(model)
    assert sites == []
    assert [refusal.name for refusal in refusals] == ["stem", "inner"]
    assert refusals[1].reason == f"it is inside a subgraph of {operator} 'outer'"


def test_readers_in_subgraphs_count(build_model: ModelBuilder) -> None:
    nodes = f"""{CONV} [if] y = If(flag) <then_branch = then () => (t) {{ t = Relu(c) }},
        else_branch = else () => (e) {{ e = Identity(s) }}> }}"""
    sites, refusals = find_sites(build_model(f"(bool flag, {STEM} {nodes}", W0=W0, W=W))
    assert sites == []
    assert refusals[1] == Refusal("conv", "its output is read inside a subgraph")


def test_convs_in_functions_are_refused_by_name(build_model: ModelBuilder) -> None:
    """Those in the subgraphs of a function too."""
    model = build_model(f"({STEM} y = Sigmoid(s) }}", W0=W0)
    opset = [helper.make_opsetid("", 17)]
    branches = [
        helper.make_graph(
            [helper.make_node("Conv", ["a", "b"], ["d"], name=name)],
            name,
            [],
            [helper.make_empty_tensor_value_info("d")],
        )
        for name in ("then", "else")
    ]
    nodes = [
        helper.make_node("Conv", ["a", "b"], ["c"], name="inner"),
        helper.make_node("If", ["a"], ["e"], then_branch=branches[0], else_branch=branches[1]),
    ]
    model.functions.append(helper.make_function("local", "Block", ["a", "b"], ["c"], nodes, opset))
    reason = "it is inside the function 'Block'"
    assert find_sites(model)[1][1:] == [Refusal(name, reason) for name in ("inner", "else", "then")]


@pytest.mark.parametrize(("ir_version", "opset"), [(3, 7), (4, 9), (5, 10)])
def test_old_forms(build_model: ModelBuilder, ir_version: int, opset: int) -> None:
    """Clip's bounds as attributes; up to IR version 3, initializers listed as inputs."""
    nodes = "[conv] c = Conv<pads=[1,1,1,1]>(s, W) n = BatchNormalization(c, v, v, v, var)"
    nodes += " y = Clip<min=0.0, max=6.0>(n)"
    model = build_model(f"({STEM} {nodes} }}", opset=opset, ir_version=ir_version, W0=W0, W=W, v=(8,), var=(8,))
    for tensor in model.graph.initializer if ir_version == 3 else ():
        model.graph.input.append(helper.make_tensor_value_info(tensor.name, TensorProto.FLOAT, tensor.dims))
    assert find_sites(model)[0] == [site(bound=6.0)]


@pytest.mark.parametrize("spatial", ["H,W", "8,8"])
def test_auto_pad_with_strides_needs_the_size(build_model: ModelBuilder, spatial: str) -> None:
    text = f"""(float[N,4,{spatial}] x) => (float[N,8,h,w] y) {{ [stem] c0 = Conv<pads=[1,1,1,1]>(x, W0)
        [conv] c = Conv<auto_pad="SAME_UPPER", strides=[2,2]>(c0, V) y = Relu(c) }}"""
    sites, refusals = find_sites(build_model(text, W0=W0, V=W))
    assert [found.name for found in sites] == ([] if spatial == "H,W" else ["conv"])
    assert any("auto_pad" in refusal.reason for refusal in refusals) == (spatial == "H,W")


def test_other_types_and_one_dimensional_convs_are_refused() -> None:
    for dtype, rank, reason in (
        (np.float64, 2, "its weights are float64, not float32: export the model in float32"),
        (np.float16, 2, "its weights are float16, not float32"),
        (ml_dtypes.bfloat16, 2, "its weights are bfloat16, not float32"),
        (np.float32, 1, "1 spatial dimensions"),
    ):
        weights = numpy_helper.from_array(np.ones((8, 8, *[3] * rank), dtype), "W")
        elem_type = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        values = [helper.make_tensor_value_info(name, elem_type, [1, 8, *[None] * rank]) for name in "xy"]
        nodes = [helper.make_node("Conv", ["x", "W"], ["c"]), helper.make_node("Relu", ["c"], ["y"])]
        graph = helper.make_graph(nodes, "net", values[:1], values[1:], [weights])
        sites, refusals = find_sites(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)]))
        assert sites == []
        assert reason in refusals[0].reason


def test_weights_too_large_to_infer_with_do_not_matter(build_model: ModelBuilder) -> None:
    """Shape inference runs without the large weights; target shapes must still be known to it."""
    nodes = f"{CONV} f = Reshape(s, shape) r = Reshape(f, shape) a = Add(c, r) y = Relu(a)"
    model = build_model(f"({STEM} {nodes} }}".replace("N,", "2,"), W0=W0, W=W, unused=(50, 50))
    model.graph.initializer.append(numpy_helper.from_array(np.array([2, 8, 12, 12]), "shape"))
    assert find_sites(model)[0] == [site("r")]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_that_are_not_finite_are_refused(build_model: ModelBuilder, value: float) -> None:
    """The library would refuse to load them."""
    model = build_model(f"({STEM} {CONV} y = Relu(c) }}", W0=W0)
    weights = np.ones(W, np.float32)
    weights[7, 7, 2, 2] = value
    model.graph.initializer.append(numpy_helper.from_array(weights, "W"))
    assert find_sites(model)[1][1].reason == "its weights are not all finite"
