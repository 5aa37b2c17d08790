"""Attacks of the literature on encodings, each against ours and against two that one global key makes comparable.

One module an attack, with its paper, what its attacker knows and what it costs; `run` measures them, `world` makes the
people, `encoders` the two encodings that are attacked beside ours.
"""
