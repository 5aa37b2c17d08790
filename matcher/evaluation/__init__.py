"""Evaluation: how right is what linking found, against a truth that only an evaluation has.

`measures` are pure functions of arrays; what they cost is a few sorts. Nothing here is used by the service.
"""
