"""From the PyTorch graph to an ONNX file whose every tensor has its final type, checked before anybody gets it."""
