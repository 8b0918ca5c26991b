"""Measures ways to run the network on an NVIDIA GPU. Start it with ``python -m benchmarks.gpu.network``."""
