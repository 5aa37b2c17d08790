"""Other people's linkage of the same records, to be measured beside ours.

A peer gets every record cleaned by our rules and every block of our scheme and three more (`records.py`), and answers
with scored pairs (`scored.py`). Those whose packages do not go beside ours run in environments of their own, made when
first asked for (`environments.py`).
"""
