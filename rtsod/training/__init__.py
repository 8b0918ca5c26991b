"""Training: samples, losses, the loop, its state on disk, and its report."""
