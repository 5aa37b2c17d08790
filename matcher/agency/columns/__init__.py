"""Columns of a batch as bytes: their distinct values, and what passes make of them."""
