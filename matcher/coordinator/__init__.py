"""The coordinator's side: the only place where an alert's sealed references are opened."""
