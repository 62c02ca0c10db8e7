"""Reads model.onnx, model.zapcal and model.zapfit.json, writes model.zap.onnx at the point that fit chose."""

import zaponnx

report = zaponnx.convert("model.onnx", "model.zapcal", "model.zapfit.json", "model.zap.onnx")
print(f"{len(report.converted)} layers converted, {len(report.dense)} stay dense")
print(report.budget_missed or f"{report.mac_saved:.1%} of the MACs saved, as calibration has it")
