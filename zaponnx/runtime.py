"""ONNX Runtime with zaponnx's operators: reads a model file, gives a session that runs it as it was asked for."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any

from zaponnx.errors import InvalidArgument, ModelError, RuntimeUnavailable, ZapError
from zaponnx.providers import CPU, Provider, checked_providers, rounds_to_tf32

_LIBRARY = "libzaponnx_ops.so"
_LOAD_FAILURE = "Failed to load library"
"""What ORT's message begins with if the system's loader refuses the file."""

_UNKNOWN_OPERATOR = "is not a registered function/op"
"""What ORT says of an operator that it does not have; it loads no libraries that nobody registered."""

_VERSION_REMEDY = "install a newer ONNX Runtime, or export the model with an opset and IR version that this one knows"

_REMEDIES = {
    _UNKNOWN_OPERATOR: "give the model the operator as a model-local function, of ONNX operators",
    "is under development": _VERSION_REMEDY,  # what ORT says of an opset that is newer than itself
    "Unsupported model IR version": _VERSION_REMEDY,
}
"""A part of what ORT says → what helps."""

_PROVIDER_REMEDY = "check the driver, and that the provider's libraries are installed"
_LOG_ERRORS_ONLY = 3
_REGISTERED, _PRECISION = "zaponnx.registered", "zaponnx.cuda.precision"
"""Entries of session options: whether the operators are registered, and with which precision on CUDA."""


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
        RuntimeUnavailable: It is not installed or does not load.
    """
    remedy = "pip install 'zaponnx[cpu]', or 'zaponnx[gpu]' for NVIDIA GPUs"
    try:
        import onnxruntime
        from onnxruntime import InferenceSession  # noqa: F401 - an uninstalled wheel may leave an empty package behind
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "onnxruntime":
            raise RuntimeUnavailable(phase, "ONNX Runtime is not installed", remedy=remedy) from error
        remedy = f"pip uninstall onnxruntime onnxruntime-gpu, then {remedy}"
        raise RuntimeUnavailable(phase, f"ONNX Runtime does not load: {error}", remedy=remedy) from error
    module: ModuleType = onnxruntime
    return module


def register(session_options: Any) -> None:
    """Registers zaponnx's operators with ORT session options; a second time changes nothing.

    Args:
        session_options: An onnxruntime.SessionOptions.

    Raises:
        InvalidArgument: Something else.
        RuntimeUnavailable: ORT or the native library is not installed or does not load.
    """
    if not isinstance(session_options, onnxruntime("register").SessionOptions):
        problem = f"session options are an onnxruntime.SessionOptions, not a {type(session_options).__name__}"
        raise InvalidArgument("register", problem)
    register_library(session_options, library_path())


def register_for(
    session_options: Any,
    providers: Sequence[Provider] | None,
    provider_options: Sequence[Mapping[str, Any]] | None = None,
) -> None:
    """As `register`, for a session on these providers: on CUDA, ZapConvs are as precise as ORT's convolutions.

    That is TF32 or float32, by the provider's option use_tf32; what the session options say themselves goes before.
    """
    unset = isinstance(session_options, onnxruntime("register").SessionOptions) and not any(
        _has_entry(session_options, key) for key in (_REGISTERED, _PRECISION)
    )
    if unset and rounds_to_tf32(providers, provider_options):
        session_options.add_session_config_entry(_PRECISION, "tf32")
    register(session_options)


def _has_entry(session_options: Any, key: str) -> bool:
    try:
        session_options.get_session_config_entry(key)
    except RuntimeError:  # how ORT says no
        return False
    return True


def register_library(session_options: Any, path: Path) -> None:
    """As `register`, with the library at a path."""
    try:
        session_options.register_custom_ops_library(str(path))
    except Exception as error:  # ORT's exceptions have no base class of their own
        loaded = _LOAD_FAILURE not in str(error)  # then it is the library that speaks, and names the remedy itself
        remedy = "" if loaded else "install zaponnx anew on this machine"
        problem = f"the library {'refuses' if loaded else 'does not load'}: {error}"
        raise RuntimeUnavailable("register", problem, where=str(path), remedy=remedy) from error


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
    provider_options: Sequence[Mapping[str, Any]] | None = None,
    **keywords: Any,
) -> Any:
    """An onnxruntime.InferenceSession with zaponnx's operators, on exactly the providers that were asked for.

    Args:
        path_or_bytes: The model.
        sess_options: An onnxruntime.SessionOptions; zaponnx's operators are registered with it, for CUDA as precise as
            ORT's own unless an entry says otherwise, see docs/gpu.md. ORT's defaults if None.
        providers: Names, in full or as "cpu" or "cuda", or (name, options), by precedence. If None, those that were
            added to the session options, or the CPU. As always in ORT, the CPU runs what the others cannot.
        provider_options: The options of each provider, where `providers` has names only.
        **keywords: Passed on to onnxruntime.InferenceSession. Its `enable_fallback` is 0 unless given: a provider that
            fails in a run is an error, too.

    Raises:
        InvalidArgument: No path and no bytes, a provider that ORT does not know, or wrong options.
        RuntimeUnavailable: A provider that this machine or this ORT does not have; ORT or the library is missing.
        ModelError: ORT refuses the model.
    """
    options = onnxruntime("run").SessionOptions() if sess_options is None else sess_options
    register_for(options, providers, provider_options)
    return open_session(path_or_bytes, options, providers, "run", provider_options=provider_options, **keywords)


def open_session(
    path_or_bytes: str | bytes | os.PathLike[str],
    options: Any,
    providers: Sequence[Provider] | None,
    phase: str,
    *,
    where: str = "",
    provider_options: Sequence[Mapping[str, Any]] | None = None,
    **keywords: Any,
) -> Any:
    """An onnxruntime.InferenceSession on exactly the providers that were asked for, with the options as they are.

    Args:
        phase, where: The step on whose behalf it runs and the file as the user knows it, for error messages.
        Others as in `InferenceSession`, errors as well.
    """
    ort = onnxruntime(phase)
    if not isinstance(path_or_bytes, str | bytes | os.PathLike):
        problem = f"a model is a path or bytes, not a {type(path_or_bytes).__name__}"
        raise InvalidArgument(phase, problem, remedy="give the file that zaponnx convert wrote")
    asked: list[tuple[str, dict[str, Any]]] | None = None
    if providers is not None or provider_options is not None or not _has_providers(options):
        asked = checked_providers(ort, providers, provider_options, phase)
    names = [name for name, _ in asked or ()]
    if not {"CUDAExecutionProvider", "TensorrtExecutionProvider"}.isdisjoint(names) and hasattr(ort, "preload_dlls"):
        with redirect_stdout(sys.stderr):  # where it prints what is missing
            ort.preload_dlls()  # those of NVIDIA's wheels; ORT 1.21 or later does not look for them otherwise
    model = path_or_bytes if isinstance(path_or_bytes, bytes) else os.fspath(path_or_bytes)
    with ort_errors(phase, where or ("" if isinstance(model, bytes) else model)), _provider_errors(phase, names):
        session = ort.InferenceSession(model, options, providers=asked, **{"enable_fallback": 0, **keywords})
    for name in names:
        if name not in session.get_providers():  # ORT has logged why, and would go on with the CPU
            raise RuntimeUnavailable(phase, f"{name} does not start on this machine", remedy=_PROVIDER_REMEDY)
    return session


def _has_providers(options: Any) -> bool:
    """Whether providers were added to the session options, which ORT 1.20 knows nothing of."""
    return hasattr(options, "has_providers") and bool(options.has_providers())


@contextmanager
def _provider_errors(phase: str, names: Sequence[str]) -> Iterator[None]:
    """Turns the errors of providers that do not start into RuntimeUnavailable; those of the model pass."""
    try:
        yield
    except (RuntimeError, ValueError) as error:  # what concerns the model are ORT's own exceptions, which are neither
        others = [name for name in names if name != CPU]
        if not others:
            raise
        problem = f"{' or '.join(others)} does not start on this machine: {' '.join(str(error).split())}"
        raise RuntimeUnavailable(phase, problem, remedy=_PROVIDER_REMEDY) from error


@contextmanager
def ort_errors(phase: str, where: str) -> Iterator[None]:
    """Turns ORT's exceptions in the block into ModelErrors."""
    try:
        yield
    except ZapError:
        raise
    except Exception as error:  # ORT's exceptions have no base class of their own
        remedy = next((remedy for part, remedy in _REMEDIES.items() if part in str(error)), "")
        problem = f"ONNX Runtime refuses it: {' '.join(str(error).split())}"
        raise ModelError(phase, problem, where=where, remedy=remedy) from error
