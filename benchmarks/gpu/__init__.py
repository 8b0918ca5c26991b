"""The parts of :mod:`benchmarks.gpu_network`: ways to run the network on a GPU, and how each is measured."""
