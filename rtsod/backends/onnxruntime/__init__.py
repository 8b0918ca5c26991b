"""The ONNX Runtime engine: the exported graph on whichever of its execution providers this machine has."""
