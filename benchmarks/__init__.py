"""Loom measured beside its limits and its peers, in the same run, as ratios. `python -m benchmarks --help`."""
