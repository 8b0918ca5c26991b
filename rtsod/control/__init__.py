"""The control server: a page and an interface to change a run while it goes on, from this machine alone."""
