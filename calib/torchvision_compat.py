"""Imports torchvision, also where its compiled operators do not load.

torchvision registers shape functions for its operators `nms` and `qnms` when it is imported. Where its binary part
does not match the installed torch (a wheel of another build, say), the operators do not exist and the import fails,
although classification models need neither. Declaring the two schemas first makes the import succeed.
"""

from __future__ import annotations

from functools import cache
from types import ModuleType

import torch

from zaponnx.errors import RuntimeUnavailable

_SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


@cache
def _declared_schemas() -> torch.library.Library | None:
    """Declares what a failed import of torchvision lacks; the Library object must live as long as the process."""
    try:
        import torchvision  # noqa: F401 - to see whether it works
    except RuntimeError:
        library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call] # torch's
        for name, schema in _SCHEMAS.items():
            if not hasattr(torch.ops.torchvision, name):
                library.define(schema)  # type: ignore[no-untyped-call] # torch's
        return library
    except ImportError:
        return None
    return None


def torchvision_models() -> ModuleType:
    """The module torchvision.models.

    Raises:
        RuntimeUnavailable: torchvision is not installed or does not work with this torch.
    """
    _declared_schemas()
    try:
        from torchvision import models
    except (ImportError, RuntimeError) as error:
        raise RuntimeUnavailable(
            "export", f"torchvision cannot be imported ({error})", remedy="pip install 'zaponnx[calib]'"
        ) from error
    module: ModuleType = models
    return module
