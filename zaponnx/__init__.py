"""zaponnx makes trained CNNs in ONNX cheaper to run, by predicting the zeros that ReLU will produce."""
