"""Operating-system services: files, locks, signals, subprocesses, worker threads and V4L2 devices."""
