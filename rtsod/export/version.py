"""The exported graph's version and the names in it: knowing them must not take importing PyTorch."""

from typing import Final

GRAPH_VERSION: Final = 3
"""Increase it whenever the exported graph or the golden input changes: cached plans and graphs of older versions are
then not used."""
OPSET: Final = 20
"""ONNX operator set. Every TensorRT from 10.12 on reads it."""
INPUT: Final = "image"
"""Name of the input, uint8 ``(1, S, S, 3)``, BGR."""
OUTPUT: Final = "saliency"
"""Name of the output, float32 ``(1, 1, S, S)`` in [0, 1]."""
