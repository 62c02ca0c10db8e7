"""zaponnx makes trained CNNs in ONNX cheaper to run, by predicting the zeros that ReLU will produce.

The functions are the commands of the same names, in the order of the flow; importing the package loads none of them,
nor anything but the standard library.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zaponnx.benchmark import bench
    from zaponnx.calib.analyzing import analyze
    from zaponnx.calib.calibration import calibrate
    from zaponnx.calib.demo import demo
    from zaponnx.calib.exporting import export
    from zaponnx.calib.finetuning import finetune
    from zaponnx.calib.fitting import fit
    from zaponnx.calib.paper.reproduction import reproduce
    from zaponnx.calib.paper.thresholds import adopt
    from zaponnx.calib.report import report
    from zaponnx.conversion import convert
    from zaponnx.evaluation import eval
    from zaponnx.inspection import inspect
    from zaponnx.packaging.packing import pack
    from zaponnx.packaging.unpacking import unpack
    from zaponnx.packaging.verifying import verify
    from zaponnx.packaging.zoo_commands import zoo_add, zoo_get, zoo_list
    from zaponnx.retuning import retune
    from zaponnx.runtime import InferenceSession, library_path, register
    from zaponnx.self_check import selfcheck
    from zaponnx.stripping import strip

_MODULES = {
    "export": "zaponnx.calib.exporting",
    "calibrate": "zaponnx.calib.calibration",
    "analyze": "zaponnx.calib.analyzing",
    "fit": "zaponnx.calib.fitting",
    "adopt": "zaponnx.calib.paper.thresholds",
    "convert": "zaponnx.conversion",
    "finetune": "zaponnx.calib.finetuning",
    "retune": "zaponnx.retuning",
    "strip": "zaponnx.stripping",
    "eval": "zaponnx.evaluation",
    "bench": "zaponnx.benchmark",
    "inspect": "zaponnx.inspection",
    "pack": "zaponnx.packaging.packing",
    "verify": "zaponnx.packaging.verifying",
    "unpack": "zaponnx.packaging.unpacking",
    "zoo_list": "zaponnx.packaging.zoo_commands",
    "zoo_add": "zaponnx.packaging.zoo_commands",
    "zoo_get": "zaponnx.packaging.zoo_commands",
    "report": "zaponnx.calib.report",
    "selfcheck": "zaponnx.self_check",
    "demo": "zaponnx.calib.demo",
    "reproduce": "zaponnx.calib.paper.reproduction",
    "InferenceSession": "zaponnx.runtime",
    "library_path": "zaponnx.runtime",
    "register": "zaponnx.runtime",
}

__all__ = [
    "InferenceSession",
    "__version__",
    "adopt",
    "analyze",
    "bench",
    "calibrate",
    "convert",
    "demo",
    "eval",
    "export",
    "finetune",
    "fit",
    "inspect",
    "library_path",
    "pack",
    "register",
    "report",
    "reproduce",
    "retune",
    "selfcheck",
    "strip",
    "unpack",
    "verify",
    "zoo_add",
    "zoo_get",
    "zoo_list",
]


def __getattr__(name: str) -> Any:
    """Loads a public name, or the version, when it is first asked for.

    Raises:
        RuntimeUnavailable: The name needs PyTorch and its companions, and they are not installed.
    """
    if name == "__version__":
        from importlib.metadata import version

        return version("zaponnx")
    if name not in _MODULES:
        raise AttributeError(f"module 'zaponnx' has no attribute '{name}'")
    try:
        return getattr(importlib.import_module(_MODULES[name]), name)
    except ModuleNotFoundError as error:
        from zaponnx.errors import RuntimeUnavailable

        if error.name is None or error.name.partition(".")[0] == "zaponnx":
            raise
        extra = "pip install 'zaponnx[calib]'" if ".calib." in _MODULES[name] else "pip install zaponnx"
        raise RuntimeUnavailable(name, f"{error.name} is not installed", remedy=extra) from error


def __dir__() -> list[str]:
    return __all__
