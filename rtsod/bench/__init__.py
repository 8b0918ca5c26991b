"""The benchmark: network speed, end-to-end latency, and how close both come to what the machine can do.

It is a client of the package like any other: it opens the same engines and runs the same pipeline as the program.
Every measurement is a function from a frozen request to a frozen result. It runs in its own process
(:mod:`rtsod.bench.isolation`), so no measurement inherits another's memory, threads or warm caches.
"""
