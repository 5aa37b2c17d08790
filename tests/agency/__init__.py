"""Tests of the agency side."""
