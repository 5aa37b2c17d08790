"""The agency's side: clear text and the linkage key live here and leave only as tokens."""
