"""The built-in demo scene: drawn, moving, and with a known alpha for every frame."""
