"""The benchmark: how fast the network, how late the picture, how much of this machine's roof is reached.

A client of the package like any other: it opens the same engines and runs the same pipeline as the program does.
Every measurement is a function from a frozen request to a frozen result, and runs in a process of its own
(:mod:`rtsod.bench.isolation`), so that none inherits another's memory, threads or warm caches.
"""
