"""Parts of the report's tables: Markdown, and what their cells have in common."""

from __future__ import annotations

from benchmarks.markdown import table as table
from benchmarks.measuring import ORT, Measurement, Subject, TunedMeasurement
from benchmarks.timing import QUIET


def label(subject: Subject) -> str:
    """The subject in words."""
    part = " features" if subject.part == "features" and not subject.layer else ""
    layer = f" {subject.layer}" if subject.layer else ""
    alike = f", {subject.count} of them" if subject.count > 1 else ""
    batch = f" batch {subject.batch}" if subject.batch > 1 else ""
    return f"{subject.network}{part}{layer}{alike}{batch}"


def control(measurement: Measurement | TunedMeasurement) -> str:
    """The ratio that is noise: of the dense model to itself; and what others took of the cores if it was much."""
    ratio = f"{measurement.dense[ORT].median_ms / measurement.control.median_ms:.2f}"
    others = measurement.control.others
    return ratio if others <= QUIET else f"{ratio}, others {others:.0%}"


def at_least(ratio: float, target: float | None) -> str:
    """The ratio beside its target, in bold if it is missed."""
    if target is None:
        return f"{ratio:.2f}"
    return f"{ratio:.2f} ≥ {target:.2f}" if ratio >= target else f"**{ratio:.2f} < {target:.2f}**"


def at_most(ratio: float, target: float) -> str:
    """The ratio beside its limit, in bold if it is exceeded."""
    return f"{ratio:.2f} ≤ {target:.2f}" if ratio <= target else f"**{ratio:.2f} > {target:.2f}**"
