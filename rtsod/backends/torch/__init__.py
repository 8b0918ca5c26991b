"""U²-Net on PyTorch: the graph itself, without conversion."""
