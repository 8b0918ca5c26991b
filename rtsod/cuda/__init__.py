"""The little of CUDA that running an engine takes: one protocol, and a file for each library that can serve it."""
