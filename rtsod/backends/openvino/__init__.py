"""U²-Net on OpenVINO: converted once, compiled and checked on opening, then run."""
