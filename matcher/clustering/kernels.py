"""The loops of clustering, compiled: the graph of links, its components, and the persons of small components.

A link is two entries of one list, 2i and 2i + 1, one for each end; each record's entries are a linked list. What
`resolve_small` does is said for one component in `matcher.clustering.resolve`; a hypothesis test holds them together.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

_NONE = np.int32(-1)
_NO_LINK = np.float64(-np.inf)


@njit(cache=True, nogil=True)
def thread_links(
    slots: NDArray[np.int64],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    weight: NDArray[np.float32],
    head: NDArray[np.int32],
    ends: NDArray[np.int32],
    following: NDArray[np.int32],
    weights: NDArray[np.float32],
) -> None:
    """Put links (n,) into free `slots` (n,) of the columns and at the head of both records' lists."""
    for i in range(len(slots)):
        weights[slots[i]] = weight[i]
        for side in range(2):
            entry = 2 * slots[i] + side
            record = left[i] if side == 0 else right[i]
            ends[entry] = right[i] if side == 0 else left[i]
            following[entry] = head[record]
            head[record] = entry


@njit(cache=True, nogil=True)
def unthread_links(
    record: int,
    head: NDArray[np.int32],
    ends: NDArray[np.int32],
    following: NDArray[np.int32],
    weights: NDArray[np.float32],
) -> NDArray[np.int64]:
    """Take out all links of a record; the slots left free (n,). Their weight becomes NaN."""
    degree, entry = 0, head[record]
    while entry >= 0:
        degree, entry = degree + 1, following[entry]
    freed = np.empty(degree, np.int64)
    entry = head[record]
    while entry >= 0:
        other, twin = ends[entry], entry ^ 1
        if head[other] == twin:
            head[other] = following[twin]
        else:
            at = head[other]
            while following[at] != twin:
                at = following[at]
            following[at] = following[twin]
        weights[entry >> 1] = np.nan
        degree -= 1
        freed[degree] = entry >> 1
        entry = following[entry]
    head[record] = _NONE
    return freed


@njit(cache=True, nogil=True)
def walk(
    seeds: NDArray[np.int64],
    least: float,
    head: NDArray[np.int32],
    ends: NDArray[np.int32],
    following: NDArray[np.int32],
    weights: NDArray[np.float32],
    seen: NDArray[np.bool_],
    members: NDArray[np.int64],
    offsets: NDArray[np.int64],
) -> int:
    """Components of the records `seeds` over links of `least` bits or more; how many there are.

    Component c is `members[offsets[c]:offsets[c + 1]]`, ascending. `seen` must be all false, and is afterwards. Both
    outputs need room for every record of the components, `offsets` for one more.
    """
    count, found = 0, 0
    offsets[0] = 0
    for seed in seeds:
        if seen[seed]:
            continue
        seen[seed] = True
        members[found] = seed
        at = found
        found += 1
        while at < found:
            entry = head[members[at]]
            while entry >= 0:
                other = ends[entry]
                if not seen[other] and weights[entry >> 1] >= least:
                    seen[other] = True
                    members[found] = other
                    found += 1
                entry = following[entry]
            at += 1
        members[offsets[count] : found].sort()
        count += 1
        offsets[count] = found
    for i in range(found):
        seen[members[i]] = False
    return count


@njit(cache=True, nogil=True)
def pairs_within(
    members: NDArray[np.int64],
    offsets: NDArray[np.int64],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
) -> None:
    """All pairs of records of each component, component by component, in the order of a triangular matrix's rows."""
    at = 0
    for c in range(len(offsets) - 1):
        for i in range(offsets[c], offsets[c + 1]):
            for j in range(i + 1, offsets[c + 1]):
                left[at], right[at] = members[i], members[j]
                at += 1


@njit(cache=True, nogil=True)
def resolve_small(
    members: NDArray[np.int64],
    offsets: NDArray[np.int64],
    least: float,
    head: NDArray[np.int32],
    ends: NDArray[np.int32],
    following: NDArray[np.int32],
    weights: NDArray[np.float32],
    ranks: NDArray[np.int64],
    vetoed: NDArray[np.bool_],
    apart: NDArray[np.bool_],
    margin: float,
    oldest: NDArray[np.int64],
    weakest: NDArray[np.float32],
    contested: NDArray[np.bool_],
) -> None:
    """Persons of components as `walk` gives them, over their links of `least` bits or more.

    `ranks` (M,): order of the members' names. `vetoed`, `apart`: of the pairs that `pairs_within` gives. Into `oldest`
    (M,): the oldest record of each member's person, -1 where it is alone; into `weakest` (M,): weight of the weakest
    link that holds it together; into `contested`: by pair, whether a reviewer shall decide.
    """
    largest = 0
    for c in range(len(offsets) - 1):
        largest = max(largest, offsets[c + 1] - offsets[c])
    room = np.empty((largest, largest), np.float64)
    flags = np.empty((4, largest, largest), np.bool_)
    links = np.empty((largest * largest, 2), np.int64)
    person, low = np.empty(largest, np.int64), np.empty(largest, np.float64)
    first_pair = 0
    for c in range(len(offsets) - 1):
        first, size = offsets[c], offsets[c + 1] - offsets[c]
        weight = room[:size, :size]
        never, distant, undecided, dropped = (
            flags[0, :size, :size],
            flags[1, :size, :size],
            flags[2, :size, :size],
            flags[3, :size, :size],
        )
        _lay_out(members[first : first + size], least, head, ends, following, weights, weight)
        pair = first_pair
        for i in range(size):
            for j in range(i + 1, size):
                never[i, j] = never[j, i] = vetoed[pair]
                distant[i, j] = distant[j, i] = apart[pair]
                pair += 1
        _leader_rule(weight, never, distant, margin, dropped, undecided)
        count = _in_order(weight, dropped, ranks[first : first + size], links)
        _join(weight, never, links[:count], person[:size], low[:size])
        for i in range(size):
            alone = low[person[i]] == np.inf
            oldest[first + i] = -1 if alone else members[first + person[i]]
            weakest[first + i] = low[person[i]]
            for j in range(i + 1, size):
                contested[first_pair] = undecided[i, j]
                first_pair += 1


@njit(cache=True, nogil=True)
def _lay_out(
    members: NDArray[np.int64],
    least: float,
    head: NDArray[np.int32],
    ends: NDArray[np.int32],
    following: NDArray[np.int32],
    weights: NDArray[np.float32],
    weight: NDArray[np.float64],
) -> None:
    """A component's links as a matrix (k, k), -inf where there is none."""
    weight[:] = _NO_LINK
    for i in range(len(members)):
        entry = head[members[i]]
        while entry >= 0:
            if weights[entry >> 1] >= least:
                weight[i, np.searchsorted(members, ends[entry])] = weights[entry >> 1]
            entry = following[entry]


@njit(cache=True, nogil=True)
def _outbid(weight: NDArray[np.float64], never: NDArray[np.bool_], margin: float) -> NDArray[np.bool_]:
    """Links (k, k) of which one record has another, better by the margin, to a third that vetoes the other record."""
    size = len(weight)
    outbid = np.zeros((size, size), np.bool_)
    for i in range(size):
        for j in range(size):
            if weight[i, j] == _NO_LINK:
                continue
            for third in range(size):
                if third != j and weight[i, third] - weight[i, j] >= margin and never[third, j]:
                    outbid[i, j] = outbid[j, i] = True
    return outbid


@njit(cache=True, nogil=True)
def _leader_rule(
    weight: NDArray[np.float64],
    never: NDArray[np.bool_],
    distant: NDArray[np.bool_],
    margin: float,
    dropped: NDArray[np.bool_],
    undecided: NDArray[np.bool_],
) -> None:
    """Which links (k, k) do not count, and which of these a reviewer shall see."""
    size = len(weight)
    outbid = _outbid(weight, never, margin)
    dropped[:] = outbid
    undecided[:] = False
    for i in range(size):
        for a in range(size):
            if weight[i, a] == _NO_LINK or outbid[i, a]:
                continue
            for b in range(a + 1, size):
                if weight[i, b] == _NO_LINK or outbid[i, b]:
                    continue
                if weight[a, b] == _NO_LINK and (never[a, b] or distant[a, b]):
                    lead = weight[i, a] - weight[i, b]
                    no_leader = lead == 0 or abs(lead) < margin
                    if no_leader or lead < 0:
                        dropped[i, a] = dropped[a, i] = True
                    if no_leader or lead > 0:
                        dropped[i, b] = dropped[b, i] = True
                    if no_leader:
                        undecided[i, a] = undecided[a, i] = undecided[i, b] = undecided[b, i] = True


@njit(cache=True, nogil=True)
def _in_order(
    weight: NDArray[np.float64], dropped: NDArray[np.bool_], ranks: NDArray[np.int64], links: NDArray[np.int64]
) -> int:
    """Links that count into `links` (n, 2), strongest first, equal ones by their records' names; how many they are."""
    count = 0
    for i in range(len(weight)):
        for j in range(i + 1, len(weight)):
            if weight[i, j] != _NO_LINK and not dropped[i, j]:
                at = count
                while at > 0 and _before(i, j, links[at - 1, 0], links[at - 1, 1], weight, ranks):
                    links[at] = links[at - 1]
                    at -= 1
                links[at, 0], links[at, 1] = i, j
                count += 1
    return count


@njit(cache=True, nogil=True)
def _before(i: int, j: int, k: int, m: int, weight: NDArray[np.float64], ranks: NDArray[np.int64]) -> bool:
    """Whether link (i, j) comes before link (k, m)."""
    if weight[i, j] != weight[k, m]:
        return bool(weight[i, j] > weight[k, m])
    one, other = min(ranks[i], ranks[j]), min(ranks[k], ranks[m])
    if one != other:
        return bool(one < other)
    return bool(max(ranks[i], ranks[j]) < max(ranks[k], ranks[m]))


@njit(cache=True, nogil=True)
def _join(
    weight: NDArray[np.float64],
    never: NDArray[np.bool_],
    links: NDArray[np.int64],
    person: NDArray[np.int64],
    low: NDArray[np.float64],
) -> None:
    """Join what links (n, 2), one after the other, hold together unless a veto stands between any two.

    Into `person` (k,): the first record of each one's person; into `low` (k,), by first record: the weakest link that
    was needed, inf where none was."""
    for i in range(len(person)):
        person[i], low[i] = i, np.inf
    for at in range(len(links)):
        a, b = person[links[at, 0]], person[links[at, 1]]
        joined = a != b
        for x in range(len(person)):
            for y in range(len(person)):
                if person[x] == a and person[y] == b and never[x, y]:
                    joined = False
        if joined:
            kept, lost = min(a, b), max(a, b)
            low[kept] = min(weight[links[at, 0], links[at, 1]], low[a], low[b])
            for x in range(len(person)):
                if person[x] == lost:
                    person[x] = kept


@njit(cache=True, nogil=True)
def chain(
    members: NDArray[np.int64],
    oldest: NDArray[np.int64],
    weakest: NDArray[np.float32],
    person: NDArray[np.int32],
    next_member: NDArray[np.int32],
    last_member: NDArray[np.int32],
    held_by: NDArray[np.float32],
) -> None:
    """Note the persons of records (M,), columns as `resolve_small` gives them, each person's members ascending.

    By record: `person` its oldest record, -1 where it is alone; `next_member` the next one of its person, -1 at the
    end. By oldest record: `last_member`, and `held_by`, the weakest link."""
    for i in range(len(members)):
        record, first = members[i], oldest[i]
        person[record] = first
        next_member[record] = _NONE
        if first == record:
            held_by[record] = weakest[i]
        elif first >= 0:
            next_member[last_member[first]] = record
        if first >= 0:
            last_member[first] = record


@njit(cache=True, nogil=True)
def gather(
    oldest: NDArray[np.int64],
    next_member: NDArray[np.int32],
    offsets: NDArray[np.int64],
    records: NDArray[np.int64],
) -> int:
    """Members of the persons of some oldest records (n,) into `records`, person i at `offsets[i]` to `offsets[i + 1]`;
    how many they are. What has no room is counted and not written."""
    found = 0
    for i in range(len(oldest)):
        offsets[i] = found
        record = oldest[i]
        while record >= 0:
            if found < len(records):
                records[found] = record
            found += 1
            record = next_member[record]
    offsets[len(oldest)] = found
    return found
