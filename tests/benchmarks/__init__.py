"""Benchmarks on real servers, ours beside the naive way in the same run: `make bench`."""
