"""Scoring: how strongly two rows of one block speak for one person, in bits (Fellegi and Sunter 1969).

`kernels` compares, `model` holds the weights, `decision` says what a weight means, `training` finds the weights without
truth. Cost: 64 bytes read and 16 words compared for each block that two rows share.
"""
