"""Finds people known to two or more agencies from pseudonymised tokens, and tells only the coordinator.

Three trust domains live in three places: `matcher.agency` (clear text and the linkage key), the matcher itself
(tokens only) and `matcher.coordinator` (alerts only). `docs/architecture.md` draws the path of a record.
"""
