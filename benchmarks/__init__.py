"""Benchmarks: one question per file, and the synthetic population that they ask it of."""
