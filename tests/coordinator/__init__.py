"""The coordinator side, tested."""
