"""ONNX Runtime with zaponnx's operators: reads a model file, gives a session that runs it as it was asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from zaponnx.errors import InvalidArgument, ModelError, RuntimeUnavailable

Provider = str | tuple[str, Mapping[str, Any]]

_LIBRARY = "libzaponnx_ops.so"
_LOG_ERRORS_ONLY = 3


def library_path() -> Path:
    """The native library with zaponnx's operators, for ORT's RegisterCustomOpsLibrary in any language.

    Raises:
        RuntimeUnavailable: This installation has none.
    """
    import zaponnx

    # An editable installation is spread over several directories; a wheel is one.
    for directory in zaponnx.__path__:
        path = Path(directory) / "lib" / _LIBRARY
        if path.is_file():
            return path
    raise RuntimeUnavailable("register", f"{_LIBRARY} is not installed", remedy="install zaponnx with pip")


def onnxruntime(phase: str) -> ModuleType:
    """The module onnxruntime.

    Raises:
        RuntimeUnavailable: It is not installed.
    """
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        remedy = "pip install 'zaponnx[cpu]', or 'zaponnx[gpu]' for NVIDIA GPUs"
        raise RuntimeUnavailable(phase, "ONNX Runtime is not installed", remedy=remedy) from error
    module: ModuleType = onnxruntime
    return module


def register(session_options: Any) -> None:
    """Registers zaponnx's operators with ORT session options; a second time changes nothing.

    Args:
        session_options: An onnxruntime.SessionOptions.

    Raises:
        RuntimeUnavailable: The native library is not installed or does not load.
    """
    path = library_path()
    try:
        session_options.register_custom_ops_library(str(path))
    except Exception as error:  # ORT's exceptions have no base class of their own
        remedy = "zaponnx needs ONNX Runtime 1.20.1 or later"
        raise RuntimeUnavailable(
            "register", f"the library does not load: {error}", where=str(path), remedy=remedy
        ) from error


def registered_isa(session_options: Any) -> str:
    """The instruction set of the kernels in registered session options: "scalar", "avx2", ..."""
    isa: str = session_options.get_session_config_entry("zaponnx.isa")
    return isa


def session_options(*, threads: int = 0) -> Any:
    """An onnxruntime.SessionOptions that logs errors only.

    Args:
        threads: Threads within an operator, the calling one included; 0 leaves it to ORT, which takes the cores.
    """
    options = onnxruntime("run").SessionOptions()
    options.log_severity_level = _LOG_ERRORS_ONLY
    options.intra_op_num_threads = threads
    return options


def InferenceSession(
    path_or_bytes: str | bytes | os.PathLike[str],
    sess_options: Any = None,
    providers: Sequence[Provider] | None = None,
    **keywords: Any,
) -> Any:
    """An onnxruntime.InferenceSession with zaponnx's operators, on exactly the providers that were asked for.

    Args:
        path_or_bytes: The model.
        sess_options: An onnxruntime.SessionOptions; zaponnx's operators are registered with it.
        providers: Names, in full or as "cpu" or "cuda", or (name, options), by precedence. The CPU if None. As always
            in ORT, the CPU runs what the others cannot.
        **keywords: Passed on to onnxruntime.InferenceSession.

    Raises:
        InvalidArgument: A provider that ORT does not know.
        RuntimeUnavailable: A provider that this machine or this ORT does not have; ORT or the library is missing.
        ModelError: ORT refuses the model.
    """
    options = session_options() if sess_options is None else sess_options
    register(options)
    return open_session(path_or_bytes, options, providers, "run", **keywords)


def open_session(
    path_or_bytes: str | bytes | os.PathLike[str],
    options: Any,
    providers: Sequence[Provider] | None,
    phase: str,
    *,
    where: str = "",
    **keywords: Any,
) -> Any:
    """An onnxruntime.InferenceSession on exactly the providers that were asked for, with the options as they are.

    Args:
        phase, where: The step on whose behalf it runs and the file as the user knows it, for error messages.
        Others as in `InferenceSession`, errors as well.
    """
    ort = onnxruntime(phase)
    asked = checked_providers(providers, phase)
    model = path_or_bytes if isinstance(path_or_bytes, bytes) else os.fspath(path_or_bytes)
    with ort_errors(phase, where or ("" if isinstance(model, bytes) else model)):
        session = ort.InferenceSession(model, options, providers=asked, **keywords)
    for name in map(_name, asked):
        if name not in session.get_providers():  # ORT has logged why, and would go on with the CPU
            remedy = "check the driver, and that the provider's libraries are installed"
            raise RuntimeUnavailable(phase, f"{name} does not start on this machine", remedy=remedy)
    return session


def checked_providers(providers: Sequence[Provider] | None, phase: str) -> list[Provider]:
    """The providers by their full names; arguments and errors as in `InferenceSession`."""
    ort = onnxruntime(phase)
    known = {name.removesuffix("ExecutionProvider").lower(): name for name in ort.get_all_providers()}
    available = ort.get_available_providers()
    checked: list[Provider] = []
    for provider in providers or ["cpu"]:
        short = _name(provider).removesuffix("ExecutionProvider").lower()
        if short not in known:
            remedy = f"use one of {', '.join(available)}"
            raise InvalidArgument(phase, f"unknown provider '{_name(provider)}'", remedy=remedy)
        name = known[short]
        if name not in available:
            remedy = f"this ONNX Runtime has {', '.join(available)}"
            raise RuntimeUnavailable(phase, f"{name} is not available", remedy=remedy)
        checked.append(name if isinstance(provider, str) else (name, provider[1]))
    return checked


@contextmanager
def ort_errors(phase: str, where: str) -> Iterator[None]:
    """Turns ORT's exceptions in the block into ModelErrors."""
    try:
        yield
    except Exception as error:  # ORT's exceptions have no base class of their own
        raise ModelError(phase, f"ONNX Runtime refuses it: {' '.join(str(error).split())}", where=where) from error


def _name(provider: Provider) -> str:
    return provider if isinstance(provider, str) else provider[0]
