"""U²-Net on PyTorch."""
