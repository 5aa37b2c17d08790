"""The most that two rows can weigh, told long before all of their fields are compared.

Nearly all candidates are strangers, far below any threshold. A weight is the least over all rivals, so what it comes to
against the stranger alone is an upper bound of it; so is what some of the comparisons came to, and the most that the
others can add. `kernels.score_rows` leaves a pair as soon as that is not enough.
"""

import numpy as np
from numpy.typing import NDArray

from matcher.scheme import ENCODING_WORD_BITS, LinkageScheme
from matcher.scoring.kernels import VETOED

_STEP_BITS = 2 * ENCODING_WORD_BITS
_STEP = np.dtype(
    [
        ("field", np.int64),  # mask
        ("word", np.int64),  # of an encoding, the first of two
        ("bits", np.uint64),  # mask of the field's in the two, the first the lower half
        ("vetoes", np.bool_),
        ("alternative", np.int64),  # mask of an alternative's fields where this is its last, else 0
        ("ends", np.bool_),  # it is the last field of its comparison
        ("least", np.float32),  # weight of the comparison
        ("others", np.float32),  # bits that all later comparisons add at most
    ],
    align=True,
)
_ROUNDING = 2.0**-16
"""Of the sum of all magnitudes, what is given away: a weight and a bound are sums of at most 35 terms each, of 24 bits,
so together they are wrong by less than a third of it."""


class Bound:
    """Upper bounds of weights, laid out for `kernels.score_rows`.

    Of a field of more than 64 bits only the first 64 are counted: a weight never rises with the distance. A field's
    words are read two at a time, of an encoding's last word alone it and the one before.
    """

    def __init__(
        self, scheme: LinkageScheme, table: NDArray[np.float32], least: NDArray[np.float32], prior: float
    ) -> None:
        """`table` (F, D), `least` (C,), `prior`: what `kernels.sum_up` and a weight start from, of the stranger."""
        bits = [field.bits for field in scheme.fields]
        most, spread = np.zeros(len(least)), np.zeros(len(least))
        for c, alternatives in enumerate(scheme.alternatives):
            # a field may be missing and then adds nothing; so may all of a comparison
            most[c] = max(0.0, least[c], *(sum(max(0.0, table[f, 0]) for f in fields) for fields in alternatives))
            unlike = (sum(table[f, bits[f]] for f in fields) for fields in alternatives if bits[fields[0]])
            spread[c] = most[c] - max([least[c], *unlike])
        lengths = np.array([sum(map(len, alternatives)) for alternatives in scheme.alternatives])
        order = [int(c) for c in np.argsort(-spread / lengths, kind="stable")]  # what tells most a step first
        fields = [f for c in order for alternative in scheme.alternatives[c] for f in alternative]
        self.table = table[fields]
        """(F, D), of the fields in the order of `steps`."""
        self.steps = np.zeros(len(fields), _STEP)
        """(F,): the fields in the order in which they are compared."""
        first = np.cumsum(bits) // ENCODING_WORD_BITS - np.array(bits) // ENCODING_WORD_BITS
        words = sum(bits) // ENCODING_WORD_BITS
        steps = iter(self.steps)
        for k, c in enumerate(order):
            for alternative in scheme.alternatives[c]:
                for f in alternative:
                    step = next(steps)
                    step["field"] = 1 << f
                    counted = (1 << min(bits[f], _STEP_BITS)) - 1
                    step["word"] = min(first[f], words - 2)
                    step["bits"] = counted << ENCODING_WORD_BITS if first[f] == words - 1 else counted
                    step["vetoes"] = scheme.fields[f].vetoes
                    step["least"] = least[c]
                    step["others"] = most[order[k + 1 :]].sum()
                step["alternative"] = sum(1 << each for each in alternative)
            step["ends"] = True
        self._prior = float(prior)
        self._magnitude = float(np.abs(table).max(axis=1).sum() + np.abs(least).sum()) + abs(self._prior)

    def limit(self, floor: float) -> float:
        """Pairs whose comparisons cannot add so many bits weigh less than `floor`; -inf where vetoed pairs do not."""
        if floor <= VETOED:
            return -np.inf
        return floor - self._prior - _ROUNDING * (self._magnitude + abs(floor))
