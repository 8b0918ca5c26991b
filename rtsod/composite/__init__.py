"""Composites the subject over another background."""
