"""The same network as other people run it, side by side on the same frames."""
