"""The audit log: who had the matcher do what, and when, in a file that cannot be changed unseen."""
