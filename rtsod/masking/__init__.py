"""Decides what the network sees of each frame, how often, and at which size."""
