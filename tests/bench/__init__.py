"""The benchmarks behind `make bench`; docs/bench.md explains the figures and their keys."""
