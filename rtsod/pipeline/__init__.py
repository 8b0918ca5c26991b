"""The threads a frame passes through, and the rings between them."""
