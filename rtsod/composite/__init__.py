"""Puts the subject in front of another background."""
