"""The choice of sites, with times that the tests make up."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
import onnx
import pytest

from zaponnx.artifacts import Calibration, OperatingPoint, Predictor, SiteCalibration
from zaponnx.calib.hulls import hulls
from zaponnx.patterns import Pattern
from zaponnx.progress import silent
from zaponnx.site_choice import Choice, Form, choose, redistribute
from zaponnx.stopwatch import PairedTimes


def times(gain: float, noise: float = 0.0) -> PairedTimes:
    return PairedTimes(1.0, 1.0 - gain, gain, noise)


def operating_point(thresholds: Mapping[str, float]) -> OperatingPoint:
    return OperatingPoint(1.0, 1.0, 0.5, {site: (threshold,) for site, threshold in thresholds.items()})


class Tuner:
    """Four sites: those that skip share 12 in equal parts, as their thresholds.

    Args:
        gain: A site's gain at its threshold, in milliseconds; the threshold is −∞ if it is computed in full.
        whole: The whole model's gain with a number of ZapConvs.
        noise: The noise of all times.
        winograd: The sites that can be computed in full.
    """

    def __init__(
        self,
        gain: Callable[[str, float], float],
        whole: Callable[[int], float] = lambda sites: 1.0,
        noise: float = 0.0,
        winograd: Collection[str] = (),
    ) -> None:
        self.gain, self.whole, self.noise, self.winograd = gain, whole, noise, winograd
        self.measured: list[tuple[str, ...]] = []
        self.start = self.redistributed(())

    def redistributed(self, others: Collection[str]) -> OperatingPoint:
        share = 12 / max(1, 4 - len(others))
        return operating_point({site: -math.inf if site in others else share for site in "abcd"})

    def build(self, point: OperatingPoint, in_full: Collection[str]) -> onnx.ModelProto:
        model = onnx.ModelProto()
        model.metadata_props.add(key="sites", value=repr((list(point.thresholds.values()), sorted(in_full))))
        self.point, self.in_full = point, in_full
        return model

    def sites(
        self, converted: onnx.ModelProto, outputs: Sequence[str], alone: Callable[[str], onnx.ModelProto]
    ) -> dict[str, PairedTimes]:
        assert converted == self.build(self.point, self.in_full)
        assert set(outputs) <= self.zap_convs()
        self.measured.append(tuple(outputs))
        thresholds = {site: -math.inf if site in self.in_full else self.point.thresholds[site][0] for site in outputs}
        return {site: times(self.gain(site, threshold), self.noise) for site, threshold in thresholds.items()}

    def model(self, converted: onnx.ModelProto) -> PairedTimes:
        assert converted == self.build(self.point, self.in_full)
        return times(self.whole(len(self.zap_convs())), self.noise)

    def zap_convs(self) -> set[str]:
        return {site for site in self.point.thresholds if self.point.skips(site)} | set(self.in_full)

    def choose(self) -> Choice:
        return choose(self.start, self.winograd, self.redistributed, self.build, self, silent)


def converted(choice: Choice) -> list[str]:
    """The sites that become ZapConvs which skip, by the report as by the thresholds."""
    found = [site.output for site in choice.sites if site.form == Form.SKIPPING]
    assert found == [site for site in choice.point.thresholds if choice.point.skips(site)]
    assert [site.output for site in choice.sites if site.form == Form.WINOGRAD] == sorted(choice.winograd)
    return found


def test_where_all_pay_nothing_changes() -> None:
    tuner = Tuner(lambda site, threshold: 0.1)
    choice = tuner.choose()
    assert choice.point is tuner.start
    assert converted(choice) == ["a", "b", "c", "d"]
    assert choice.model == times(1.0)
    assert tuner.measured == [("a", "b", "c", "d")]


def test_the_worse_half_of_those_that_do_not_pay_goes_dense_and_the_others_get_its_budget() -> None:
    """At the threshold of 3 that all four get, "a" alone pays; at the 6 that two get, "b" as well."""
    needs = {"a": 1.0, "b": 3.5, "c": 5.0, "d": 3.8}
    tuner = Tuner(lambda site, threshold: threshold - needs[site])
    choice = tuner.choose()
    assert tuner.measured == [("a", "b", "c", "d"), ("a", "b")]
    assert converted(choice) == ["a", "b"]
    assert choice.point == operating_point({"a": 6.0, "b": 6.0, "c": -math.inf, "d": -math.inf})
    left = choice.sites[2]
    assert left.times[Form.SKIPPING].gain_ms == 3.0 - needs["c"]
    assert left.reason.startswith("it does not pay on this machine: 1.000 ms dense, 3.000 ms skipping")


def test_a_gain_within_noise_is_none() -> None:
    gains = {"a": 0.21, "b": 0.2, "c": 0.19, "d": -1.0}
    choice = Tuner(lambda site, threshold: gains[site], noise=0.1).choose()
    assert converted(choice) == ["a"]


def test_while_the_whole_model_is_not_faster_the_least_profitable_site_goes_dense() -> None:
    """Although each of them pays; what is left is measured again."""
    gains = {"a": 0.3, "b": 0.1, "c": 0.4, "d": 0.2}
    tuner = Tuner(lambda site, threshold: gains[site], whole=lambda sites: 2.5 - sites)
    choice = tuner.choose()
    assert tuner.measured == [("a", "b", "c", "d"), ("a", "c", "d"), ("a", "c")]
    assert converted(choice) == ["a", "c"]
    assert choice.model == times(0.5)
    assert choice.sites[1].reason.startswith("the model is not faster with it: 1.000 ms dense, 0.900 ms skipping")


@pytest.mark.parametrize("gain", [-0.1, 0.1])
def test_the_dense_model_may_be_left(gain: float) -> None:
    """Whether no site pays, or each does and the model never."""
    choice = Tuner(lambda site, threshold: gain, whole=lambda sites: 0.0).choose()
    assert converted(choice) == []
    assert [site.output for site in choice.sites] == ["a", "b", "c", "d"]
    assert choice.model is None


def test_what_is_fastest_in_full_skips_nothing_and_leaves_its_budget_to_the_others() -> None:
    """ "a" is faster in full, "b" skipping, "c" cannot be computed in full, "d" is slower in full than dense."""
    in_full = {"a": 0.5, "b": 0.1, "d": -0.1}
    tuner = Tuner(lambda site, threshold: in_full[site] if threshold == -math.inf else 0.2, float, winograd="abd")
    choice = tuner.choose()
    assert tuner.measured == [("a", "b", "d"), ("a", "b"), ("a", "b", "c", "d")]
    assert choice.winograd == {"a"}
    assert converted(choice) == ["b", "c", "d"]
    assert choice.point == operating_point({"a": -math.inf, "b": 4.0, "c": 4.0, "d": 4.0})
    assert choice.sites[0].times[Form.WINOGRAD].gain_ms == 0.5


def test_skipping_must_be_faster_than_in_full_beyond_noise() -> None:
    skipping = {"a": 0.4, "b": 0.6, "c": 0.4, "d": 0.4}
    tuner = Tuner(
        lambda site, threshold: 0.3 if threshold == -math.inf else skipping[site],
        whole=lambda sites: 1.0 if len(tuner.in_full) == 4 else 2.0,
        noise=0.1,
        winograd="abcd",
    )
    choice = tuner.choose()
    assert choice.winograd == {"a", "c", "d"}
    assert converted(choice) == ["b"]


def test_a_site_with_nothing_to_skip_may_be_computed_in_full() -> None:
    tuner = Tuner(lambda site, threshold: 0.1, float, winograd="a")
    tuner.start = operating_point({"a": -math.inf, "b": 1.0, "c": -math.inf, "d": 2.0})
    assert tuner.choose().winograd == {"a"}


def test_a_site_in_full_that_does_not_pay_among_its_neighbours_stays_dense() -> None:
    """As "a", which pays while all neighbours are ZapConvs."""
    tuner = Tuner(
        lambda site, threshold: len(tuner.zap_convs()) - 3.5 if site == "a" else threshold - 5,
        winograd="a",
        whole=lambda sites: 1.0 if tuner.in_full else 2.0,
    )
    choice = tuner.choose()
    assert choice.winograd == frozenset()
    assert converted(choice) == ["d"]
    assert choice.sites[0].form == Form.DENSE


def test_a_site_that_no_longer_pays_skipping_is_computed_in_full_where_that_paid() -> None:
    """As "b", which pays skipping beside "a" only."""

    def gain(site: str, threshold: float) -> float:
        if threshold == -math.inf:
            return 0.3
        if site == "b":
            return 0.6 if "a" in tuner.zap_convs() else -0.1
        return -0.5

    tuner = Tuner(gain, winograd="b")
    choice = tuner.choose()
    assert choice.winograd == {"b"}
    assert converted(choice) == []
    assert choice.model == times(1.0)


@pytest.mark.parametrize(("skipping", "chosen"), [(1.3, []), (1.5, ["a", "b", "c", "d"])])
def test_the_model_must_be_faster_than_the_one_in_which_nothing_is_skipped(skipping: float, chosen: list[str]) -> None:
    """Beyond noise; although each site is faster skipping."""
    tuner = Tuner(
        lambda site, threshold: 0.3 if threshold == -math.inf else 1.0,
        whole=lambda sites: 1.0 if tuner.in_full else skipping,
        noise=0.13,
        winograd="bc",
    )
    choice = tuner.choose()
    assert converted(choice) == chosen
    assert choice.winograd == (set() if chosen else {"b", "c"})


def test_sites_with_nothing_to_skip_are_not_measured() -> None:
    tuner = Tuner(lambda site, threshold: 0.1)
    tuner.start = operating_point({"a": -math.inf, "b": 1.0, "c": -math.inf, "d": 2.0})
    choice = tuner.choose()
    assert tuner.measured == [("b", "d")]
    assert [site.output for site in choice.sites] == ["b", "d"]


def test_every_measurement_is_told() -> None:
    told: list[tuple[int, int | None]] = []

    def progress(step: str, done: int, total: int | None) -> None:
        told.append((done, total))

    tuner = Tuner(lambda site, threshold: 0.1 if site == "a" else -0.1)
    choose(tuner.start, (), tuner.redistributed, tuner.build, tuner, progress)
    assert told == [(0, 4), (2, 4), (3, 4), (3, 4)]


def site(output: str, values: Sequence[float]) -> SiteCalibration:
    """100 MACs per sample in 10 outputs, of which each bin has two; `values` are their shares of the total."""
    zeros = np.zeros((1, 1, 3, 3), np.float32)
    predictor = Predictor(zeros, np.zeros(1, np.float32), zeros, np.zeros(1, np.float32))
    counts = np.full((1, len(values)), 2, np.int64)
    return SiteCalibration(output, output, 1, 10, predictor, counts, np.array([values], np.float64), 1.0, 10, 1)


CALIBRATION = Calibration(
    "0" * 64,
    Pattern.parse("B"),
    np.array([0.0, 1.0], np.float32),
    (site("a", [0.01, 0.1, 0.3]), site("b", [0.02, 0.11, 0.3]), site("c", [0.0, 0.05, 0.3])),
)


@pytest.mark.parametrize(
    ("dense", "thresholds", "error", "saved"),
    [
        ((), {"a": 1.0, "b": 0.0, "c": 1.0}, 0.11 + 0.02 + 0.05, 100),
        (("c",), {"a": 1.0, "b": 0.0, "c": -math.inf}, 0.13, 60),
        (("a", "c"), {"a": -math.inf, "b": 1.0, "c": -math.inf}, 0.13, 40),
        (("a", "b", "c"), dict.fromkeys("abc", -math.inf), 0.0, 0),
    ],
)
def test_a_budget_is_spent_on_the_sites_that_are_left(
    dense: tuple[str, ...], thresholds: dict[str, float], error: float, saved: float
) -> None:
    """The saving is a share of the 300 MACs of all sites, the dense ones included."""
    found = redistribute(hulls(CALIBRATION, "layer"), "sum", 0.2, dense)
    assert found.thresholds == {site: (threshold,) for site, threshold in thresholds.items()}
    assert found.error == pytest.approx(error)
    assert found.mac_saved == pytest.approx(saved / 300)
    assert found.epsilon == 0.2


class Alone(Tuner):
    """Makes the models in which each site is alone, too, and keeps what they were."""

    def __init__(self) -> None:
        super().__init__(lambda site, threshold: 0.1, winograd=["b"])
        self.made: dict[str, tuple[list[str], list[str]]] = {}

    def sites(
        self, converted: onnx.ModelProto, outputs: Sequence[str], alone: Callable[[str], onnx.ModelProto]
    ) -> dict[str, PairedTimes]:
        found, point, in_full = super().sites(converted, outputs, alone), self.point, self.in_full
        for output in outputs:
            alone(output)
            assert self.point.thresholds[output] == point.thresholds[output]
            self.made[output] = (sorted(filter(self.point.skips, self.point.thresholds)), sorted(self.in_full))
        self.point, self.in_full = point, in_full
        return found


def test_a_site_alone_is_the_only_zap_conv_of_its_model() -> None:
    tuner = Alone()
    assert tuner.choose().winograd == {"b"}
    assert tuner.made == {"a": (["a"], []), "b": ([], ["b"]), "c": (["c"], []), "d": (["d"], [])}
