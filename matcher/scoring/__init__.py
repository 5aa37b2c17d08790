"""Scoring: how strongly two rows of one block speak for one person, in bits (Fellegi and Sunter 1969).

`kernels` compares, `bound` says when a pair needs no more of it, `model` holds the weights, `decision` says what a
weight means, `training` finds the weights without truth. Cost: for each block that two rows share 64 bytes are read and
16 words compared, of strangers fewer.
"""
