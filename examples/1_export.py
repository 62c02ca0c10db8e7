"""Reads a torch network, writes model.onnx. A model that is in ONNX already needs no export."""

import zaponnx

report = zaponnx.export("network:network", "model.onnx", input_shape=(1, 3, 16, 16))
print(f"{report.output}: {report.parameters} parameters, differs by {report.max_difference:.0e} from torch")

for layer in zaponnx.inspect("model.onnx").layers:
    print(f"{layer.name}: {layer.status}{layer.reason and ', ' + layer.reason}")
