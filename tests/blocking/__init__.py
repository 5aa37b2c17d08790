"""Tests of `matcher.blocking`."""
