"""Measurements of the network and of the program, each a command of its own."""
