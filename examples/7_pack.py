"""Reads model.zap.onnx, report.html and what was measured, writes package.tar.gz, checked as who receives it would."""

from pathlib import Path

import zaponnx

packed = zaponnx.pack(
    ["model.zap.onnx"],
    "package.tar.gz",
    description="Five classes of images",
    license="Apache-2.0",
    data=f"py:{Path(__file__).with_name('network.py')}:images",
    eval=["eval.json"],
    bench=["bench.json"],
    report="report.html",
)
print(f"{packed.output}: SHA-256 {packed.sha256}")
check = zaponnx.verify("package.tar.gz")
print(f"{len(check.manifest.files)} files; the test data differ by {check.models[0].difference:.0e} at most")
