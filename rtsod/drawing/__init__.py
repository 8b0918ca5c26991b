"""The drawn scene: animated, with a known alpha for every frame."""
