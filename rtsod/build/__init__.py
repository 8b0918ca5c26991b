"""Making TensorRT engines, and keeping them. Running them is :mod:`rtsod.backends.tensorrt.engine`."""
