"""U²-Net on TensorRT: building plans, caching them, running them."""
