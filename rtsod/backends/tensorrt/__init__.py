"""U²-Net on TensorRT: builds plans (serialized engines), caches them, runs them."""
