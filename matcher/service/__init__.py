"""The matcher as a gRPC service.

Who calls is decided in `identity`, what a failure becomes in `status`, both applied by `guard` before every method; then
one servicer for each proto service.
"""
