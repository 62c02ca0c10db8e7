"""The device that torch computes on."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from zaponnx.calib.devices import torch_device
from zaponnx.providers import Provider


@pytest.mark.parametrize(
    ("providers", "expected"),
    [
        (None, "cpu"),
        (["cpu", "cuda"], "cpu"),
        (["cuda", "cpu"], "cuda:0"),
        ([("CUDAExecutionProvider", {"device_id": "2"})], "cuda:2"),
        (["TensorrtExecutionProvider"], "cuda:0"),
    ],
)
def test_torch_takes_the_first_providers_gpu(
    monkeypatch: pytest.MonkeyPatch, providers: Sequence[Provider] | None, expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert torch_device(providers) == torch.device(expected)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert torch_device(providers) == torch.device("cpu")
