"""The version of the exported graph, for caches: knowing it must not take importing PyTorch."""

from typing import Final

GRAPH_VERSION: Final = 3
"""Increase it whenever the exported graph or the golden input changes: cached plans and graphs of older versions are
then not used."""
