"""Blocking: only records that share a block are ever compared.

`passes` turns canonical values into blocking values, on the agency's side. `index` holds which rows share a block, on
the matcher's side, where a block is only a token. Cost: one look-up a row and pass, then the rows of its blocks.
"""
