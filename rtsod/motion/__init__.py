"""Masks in motion: carried from frame to frame, steadied in time, kept to one subject. Pixels only, no threads."""
