"""Keyed hashes of many texts at once."""
