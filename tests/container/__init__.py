"""The Dockerfile, and its steps without a container engine: ``python -m tests.container``."""
