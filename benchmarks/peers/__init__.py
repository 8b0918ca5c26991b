"""Compares rtsod with other programs that run the same network, on the same frames."""
