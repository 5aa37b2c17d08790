"""Tests of `matcher.scoring`."""
