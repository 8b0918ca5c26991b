"""The subset of CUDA that runs an engine: one device, one stream, memory, copies and graphs."""
