"""Reads model.zap.onnx, model.zapcal and images, writes report.html: what is saved, lost and gained, layer by layer."""

import json
from pathlib import Path

import zaponnx

data = f"py:{Path(__file__).with_name('network.py')}:images"
results = {
    "eval.json": zaponnx.eval(["model.onnx", "model.zap.onnx"], data),
    "bench.json": zaponnx.bench("model.zap.onnx", "model.onnx", threads=(1,)),
}
for name, result in results.items():
    Path(name).write_text(json.dumps(result.to_json()))
report = zaponnx.report(
    "model.zap.onnx", "report.html", calibration="model.zapcal", eval=["eval.json"], bench="bench.json", data=data
)
print(f"{report.output}: {report.headline.sentence}")
