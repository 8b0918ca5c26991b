"""Exports U²-Net to ONNX with an explicit type for every tensor, and checks the result against PyTorch."""
