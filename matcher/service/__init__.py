"""The matcher as a gRPC service: who calls (`identity`), what a failure becomes (`status`), one servicer a proto service."""
