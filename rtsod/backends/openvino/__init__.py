"""U²-Net on OpenVINO."""
