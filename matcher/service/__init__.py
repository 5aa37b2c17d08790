"""The matcher as a gRPC service.

Who calls is decided in `identity`, what a failure becomes in `status`; `guard` applies both before every method. Then
there is one servicer for each proto service.
"""
