"""Tests of `matcher.benchmarks`."""
