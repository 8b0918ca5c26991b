"""The parts of :mod:`benchmarks.gpu.network`: ways to run the network on a GPU, and how each is measured."""
