"""The report people look at: an `Evaluation` as one self-contained HTML page, which asks nothing of any network.

All text goes through `markup.tag`, which escapes it. Charts are SVG, each with its figures in a table besides.
"""
