"""Execution providers: reads what the user asks for, gives their names in ORT, each with its options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from zaponnx.errors import InvalidArgument, RuntimeUnavailable

Provider = str | tuple[str, Mapping[str, Any]]
"""A name, in full or short ("CUDAExecutionProvider", "cuda"), or such a name and the provider's options."""

CPU = "CPUExecutionProvider"

_SUFFIX = "ExecutionProvider"


def checked_providers(
    ort: ModuleType,
    providers: Sequence[Provider] | None,
    provider_options: Sequence[Mapping[str, Any]] | None,
    phase: str,
) -> list[tuple[str, dict[str, Any]]]:
    """ORT's names of the providers, each with its options; what ORT would warn of or pass over is an error.

    Args:
        ort: The module onnxruntime.
        providers: By precedence; the CPU if there are none.
        provider_options: The options of each, where `providers` has names only.
        phase: The step on whose behalf it runs, for error messages.

    Raises:
        InvalidArgument: A provider that ORT does not know or that is given twice, or options without a provider.
        RuntimeUnavailable: A provider that this ORT does not have.
    """
    available = ort.get_available_providers()
    known = {_short(name): name for name in (*ort.get_all_providers(), *available)}
    checked: dict[str, dict[str, Any]] = {}
    for asked, options in _pairs(providers, provider_options, phase) or [(CPU, {})]:
        name = known.get(_short(asked))
        if name is None:
            raise InvalidArgument(phase, f"unknown provider '{asked}'", remedy=f"use one of {', '.join(available)}")
        if name not in available:
            other = "; for NVIDIA GPUs, pip uninstall onnxruntime and pip install 'zaponnx[gpu]'"
            remedy = f"this ONNX Runtime has {', '.join(available)}{other * (name == 'CUDAExecutionProvider')}"
            raise RuntimeUnavailable(phase, f"{name} is not available", remedy=remedy)
        if name in checked:
            raise InvalidArgument(phase, f"{name} is given twice")
        checked[name] = dict(options)
    return list(checked.items())


def rounds_to_tf32(
    providers: Sequence[Provider] | None, provider_options: Sequence[Mapping[str, Any]] | None = None
) -> bool:
    """Whether ORT's convolutions on CUDA round to TF32, which they do unless told otherwise; False without CUDA.

    Args:
        providers, provider_options: As in `checked_providers`, which says what is wrong with them.
    """
    try:
        pairs = _pairs(providers, provider_options, "")
    except InvalidArgument:
        return False
    given = [str(options.get("use_tf32", 1)) for name, options in pairs if _short(name) == "cuda"]
    return bool(given) and given[0] not in ("0", "False", "false")


def gpu_of(providers: Sequence[Provider] | None) -> int | None:
    """The NVIDIA GPU of the first provider, by its number; None if that one computes elsewhere."""
    for each in (providers or ())[:1]:
        name, options = (each, {}) if isinstance(each, str) else each
        if name.lower().startswith(("cuda", "tensorrt")):
            number = str(options.get("device_id", 0))
            if not number.isdecimal():
                raise InvalidArgument("providers", f"device_id is '{number}'", remedy="give the GPU's number, from 0")
            return int(number)
    return None


def on_cpu(providers: Sequence[Provider] | None) -> bool:
    """Whether the first provider is the CPU, which it is without any."""
    first = next(iter(providers or ()), CPU)
    return _short(first if isinstance(first, str) else first[0]) == _short(CPU)


def _pairs(
    providers: Sequence[Provider] | None, provider_options: Sequence[Mapping[str, Any]] | None, phase: str
) -> list[tuple[str, Mapping[str, Any]]]:
    if isinstance(providers, str):
        raise InvalidArgument(phase, f"providers is the string '{providers}'", remedy=f"give a list: ['{providers}']")
    for name, value in (("providers", providers), ("provider_options", provider_options)):
        if not isinstance(value, Sequence | None):
            raise InvalidArgument(phase, f"{name} is {value!r}, which is no list", remedy="give a list, as in ['cpu']")
    asked: list[Any] = [(each, {}) if isinstance(each, str) else each for each in providers or ()]
    if provider_options is not None:
        if len(asked) != len(provider_options):
            raise InvalidArgument(phase, f"there are {len(provider_options)} provider_options, not {len(asked)}")
        if not all(isinstance(each, str) for each in providers or ()):
            raise InvalidArgument(phase, "options are given both in providers and in provider_options")
        asked = [(name, options) for (name, _), options in zip(asked, provider_options, strict=True)]
    for each in asked:
        match each:
            case (str(), Mapping()):
                continue
        raise InvalidArgument(phase, f"{each!r} is no provider", remedy="give a name, or a name and a dict of options")
    return asked


def _short(name: str) -> str:
    return name.removesuffix(_SUFFIX).lower()
