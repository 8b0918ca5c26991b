"""Builds a run from its configuration, runs it, and reports."""
