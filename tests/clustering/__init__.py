"""Tests of `matcher.clustering`."""
