"""Which sites to calibrate: reads a model and regular expressions, gives the sites that these choose by name."""

from __future__ import annotations

import re
from collections.abc import Sequence

import onnx

from zaponnx.errors import InvalidArgument, ModelError
from zaponnx.graph.converted import is_converted
from zaponnx.graph.finding import find_sites
from zaponnx.graph.site import Site


def selected_sites(
    model: onnx.ModelProto, include: str | Sequence[str], exclude: str | Sequence[str], include_first: bool
) -> list[Site]:
    """The sites whose name an expression of `include` finds, or all if there are none, less those of `exclude`.

    Raises:
        ModelError: The model has no sites, or is converted already.
        InvalidArgument: An expression is none or finds no site, or together they leave no site.
    """
    if is_converted(model):
        raise ModelError("calibrate", "the model is converted already", remedy="calibrate the original model")
    include, exclude = ([value] if isinstance(value, str) else value for value in (include, exclude))
    sites, refusals = find_sites(model, include_first=include_first)
    if not sites:
        reason = f", the first because {refusals[0].reason}" if refusals else ""
        problem = f"the model has no place for a predictor: {len(refusals)} Conv nodes were refused{reason}"
        raise ModelError("calibrate", problem, remedy="see the reasons with zaponnx inspect")
    kept = _found(sites, include, "include") if include else {site.output for site in sites}
    kept -= _found(sites, exclude, "exclude")
    if not kept:
        raise InvalidArgument("calibrate", "include and exclude leave no site", remedy="loosen the expressions")
    return [site for site in sites if site.output in kept]


def _found(sites: Sequence[Site], expressions: Sequence[str], option: str) -> set[str]:
    """The outputs of the sites whose name an expression finds."""
    found: set[str] = set()
    for expression in expressions:
        try:
            matches = {site.output for site in sites if re.search(expression, site.name)}
        except re.error as error:
            problem = f"--{option} '{expression}' is no regular expression ({error})"
            raise InvalidArgument("calibrate", problem) from error
        if not matches:
            names = ", ".join(site.name for site in sites)
            raise InvalidArgument("calibrate", f"--{option} '{expression}' matches none of the sites: {names}")
        found |= matches
    return found
