"""The processes of a run, as torchrun tells them: how many there are, which this one is, and which speaks of a failure.

Without torchrun there is one, and nothing here needs torch.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from zaponnx.providers import Provider


def process_count() -> int:
    """How many processes share the work."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "RANK" in os.environ else 1


def process_rank() -> int:
    """Which of them this is, from 0. Only the first writes files and stdout."""
    return int(os.environ["RANK"]) if process_count() > 1 else 0


def threads_per_process() -> int:
    """The threads that ONNX Runtime may use in this process: its share of the machine's, or 0 for all."""
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if process_count() > 1 else 1
    return max(1, (os.cpu_count() or 1) // processes) if processes > 1 else 0


def own_device(providers: Sequence[Provider] | None) -> Sequence[Provider] | None:
    """The providers, those on GPUs with this process's GPU of the machine unless they name one."""
    if process_count() == 1 or providers is None:
        return providers
    device = int(os.environ.get("LOCAL_RANK", "0"))
    named = [(each, {}) if isinstance(each, str) else each for each in providers]
    return [(name, {"device_id": device, **options} if "cuda" in name.lower() else options) for name, options in named]


def speaks_of_failure() -> bool:
    """Whether this is the first process to fail: the others fail since it did, or for the same reason."""
    if process_count() == 1:
        return True
    from zaponnx.calib.distributed import first_to_fail

    return first_to_fail()
