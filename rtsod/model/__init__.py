"""The network: its graph, its checkpoints, and where the authors' weights come from. Wraps PyTorch and onnx."""
