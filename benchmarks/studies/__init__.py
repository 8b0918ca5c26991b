"""One question per module, answered by a measurement: ``python -m benchmarks.studies.NAME --help``."""
