"""The built-in demo scene: drawn and animated, with a known alpha for every frame."""
