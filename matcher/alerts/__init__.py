"""Alerts: `policy` decides what the coordinator is told. The log itself is kept by the store."""
