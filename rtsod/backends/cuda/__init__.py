"""The little of CUDA that running an engine takes."""
