"""convert with tune for other providers than the CPU's: what is named, what is timed, and what is refused."""

from __future__ import annotations

from pathlib import Path

import onnxruntime
import pytest

import zaponnx.tuning
from tests.conversion.tuning import TUNE, FakeStopwatch, reasons
from zaponnx import tables
from zaponnx.cuda_half import CudaHalf
from zaponnx.errors import InvalidArgument, RuntimeUnavailable
from zaponnx.graph.converted import read_metadata
from zaponnx.models import load_model
from zaponnx.tuning import TuningSettings

AZURE = ["AzureExecutionProvider", "cpu"]
"""It has no kernels, so that the CPU's run."""


def test_another_provider_has_no_winograd_and_is_named(files, gains) -> None:
    gains(r1=0.5, r2=-0.25, in_full={})
    report = files.convert(epsilon=1.0, **TUNE, providers=AZURE)
    (stopwatch,) = FakeStopwatch.made
    assert stopwatch.providers == AZURE
    assert (report.tuning.device, report.tuning.machine) == ("AzureExecutionProvider",) * 2
    forms = {site.output: (site.form, list(site.times)) for site in report.tuning.sites}
    assert forms == {"r1": ("skipping", ["skipping"]), "r2": ("dense", ["skipping"])}
    assert reasons(report)["second"] == (
        "it does not pay on this machine: 2.000 ms dense, 2.250 ms skipping, the difference ± 0.010 ms, "
        "all of the whole model, with no other ZapConv"
    )
    text = tables.convert(report)
    assert "dense model ms" in text.splitlines()[0]
    assert text.endswith("on AzureExecutionProvider, batch 1")
    assert read_metadata(load_model(files.output, "test"))["tuned_device"] == "AzureExecutionProvider"


def test_real_times_on_another_provider(files) -> None:
    """With another session for each site, of a model in which it is the only ZapConv."""
    report = files.convert(epsilon=1.0, **TUNE, providers=AZURE, threads=1)
    assert {site.output for site in report.tuning.sites} == {"r1", "r2"}
    times = [each for site in report.tuning.sites for each in site.times.values()]
    assert all(min(each.dense_ms, each.converted_ms) > 0 for each in times)
    assert {site.name for site in report.converted} | set(reasons(report)) == {"stem", "head", "first", "second"}


def test_a_provider_that_is_missing_is_no_silent_fallback(files) -> None:
    available = onnxruntime.get_available_providers()
    for provider in {"CUDAExecutionProvider", "DmlExecutionProvider"} - {*available}:
        with pytest.raises(RuntimeUnavailable, match=f"{provider} is not available; this ONNX Runtime has "):
            files.convert(epsilon=1.0, **TUNE, providers=[provider, "cpu"])
    assert not files.output.exists()


@pytest.mark.parametrize(
    ("half", "told"),
    [
        (CudaHalf(None, "", "it was built without nvcc"), "it was built without nvcc; install a zaponnx"),
        (CudaHalf(Path("libzaponnx_cuda.so"), "", "the driver is too old"), "the driver is too old; tune for the CPU"),
    ],
)
def test_without_cuda_kernels_nothing_is_tuned_for_cuda(
    half: CudaHalf, told: str, files, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CPU's would run there, between copies, and nothing would pay."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(zaponnx.tuning, "cuda_half", lambda library: half)
    with pytest.raises(RuntimeUnavailable, match=f"no CUDA kernels to tune: {told}"):
        files.convert(epsilon=1.0, **TUNE, providers=["cuda"])
    assert not files.output.exists()


def test_a_gpu_is_named_with_its_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    )
    monkeypatch.setattr(zaponnx.tuning, "cuda_half", lambda library: CudaHalf(library, "Abacus, sm_0", ""))
    monkeypatch.setattr(zaponnx.tuning, "gpu_name", lambda number: f"Abacus {number}")
    settings = TuningSettings("random", 1, None, 1, [("cuda", {"device_id": 3}), "cpu"])
    assert settings.device == "Abacus 3, CUDAExecutionProvider"


def test_providers_are_for_tuning_only(files) -> None:
    with pytest.raises(InvalidArgument, match="--providers is for tuning only; add --tune"):
        files.convert(epsilon=1.0, providers=["cpu"])
