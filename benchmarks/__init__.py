"""Studies and comparisons with other programs. ``benchmarks/README.md`` lists them."""
