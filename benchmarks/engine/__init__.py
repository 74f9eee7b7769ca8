"""Almanac's engine beside its peers: `python -m benchmarks.engine --help`."""
