"""Comparisons and studies around the package; run as modules from the repository's top folder."""
