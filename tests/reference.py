"""The slow truth: what the compiled loops do, said again with sets, `hmac`, the ChaCha20 of `cryptography`, and
loops."""

import hashlib
import hmac
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from math import log2
from typing import NamedTuple, TypeVar

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20

from matcher.model import AlertKind
from matcher.scheme import Kind, LinkageScheme

Name = TypeVar("Name", int, bytes)
"""What stands for a record: its number or its name."""
SIGNATURE_BITS = 256
_SALT = b"familiar-faces token scheme v1"
_WORD = 2**64


def prefixed(data: bytes) -> bytes:
    """The data after its length in 2 bytes, big endian."""
    return len(data).to_bytes(2, "big") + data


def derived_key(linkage_key: bytes, scheme_digest: bytes, epoch: int, purpose: str, name: str) -> bytes:
    """HKDF-SHA256 (RFC 5869) of one block, so that the last step is one HMAC: 32 bytes."""
    extracted = hmac.digest(_SALT, linkage_key, "sha256")
    epoch_bytes = epoch.to_bytes(4, "big")
    info = b"".join(map(prefixed, (scheme_digest, epoch_bytes, purpose.encode(), name.encode())))
    return hmac.digest(extracted, info + b"\x01", "sha256")


def split_mix(seed: int, i: int) -> int:
    """Output i, from 0, of SplitMix64."""
    z = (seed + (i + 1) * 0x9E3779B97F4A7C15) % _WORD
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % _WORD
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % _WORD
    return z ^ (z >> 31)


def signature(sign_key: bytes, elements: Iterable[str]) -> list[int]:
    """One-bit MinHash: 256 bits."""
    hashes = [
        int.from_bytes(hmac.digest(sign_key, element.encode(), "sha256")[:8], "little") for element in set(elements)
    ]
    return [min(split_mix(h, i) for h in hashes) & 1 for i in range(SIGNATURE_BITS)]


def key_stream(key: bytes, length: int) -> bytes:
    """ChaCha20 with counter and nonce zero."""
    return Cipher(ChaCha20(key, bytes(16)), None).encryptor().update(bytes(length))


def block_secret(pass_key: bytes, blocking_value: bytes) -> bytes:
    """B, 32 bytes."""
    return hmac.digest(pass_key, blocking_value, hashlib.sha256)


def encode(secret: bytes, field_bits: Sequence[int], signatures: Sequence[list[int] | None]) -> tuple[bytes, bytes]:
    """Block token and encoding; the bytes of a missing field (None) are zero."""
    width, most = sum(field_bits) // 8, max(field_bits)
    stream = key_stream(secret, 16 + width + 2 * most)
    token, pad, picks = stream[:16], stream[16 : 16 + width], stream[16 + width :]
    order = list(range(SIGNATURE_BITS))
    for i in range(most):
        j = i + (int.from_bytes(picks[2 * i : 2 * i + 2], "little") * (SIGNATURE_BITS - i) >> 16)
        order[i], order[j] = order[j], order[i]
    encoding = bytearray()
    for bits, signed in zip(field_bits, signatures, strict=True):
        for byte in range(bits // 8):
            if signed is None:
                encoding.append(0)
            else:
                packed = sum(signed[order[8 * byte + bit]] << bit for bit in range(8))
                encoding.append(packed ^ pad[len(encoding)])
    return token, bytes(encoding)


def plain_text(reference: str, note: str) -> bytes:
    """What is sealed of a record."""
    parts = [reference.encode(), note.encode()]
    return b"".join(bytes([len(part)]) + part for part in parts).ljust(96, b"\0")


def distances(
    scheme: LinkageScheme,
    left: tuple[Sequence[bytes], Sequence[bytes], int],
    right: tuple[Sequence[bytes], Sequence[bytes], int],
) -> tuple[int, ...] | None:
    """Of two rows, each block tokens (b'' if none), encodings and field mask: mean distances over shared blocks,
    rounded half up, 0 only if 0 in all; -1 where missing. Of a field of kind block 0 if they share the block, else
    -1. None if they share no block."""
    shared = [p for p, (a, b) in enumerate(zip(left[0], right[0], strict=True)) if a and a == b]
    if not shared:
        return None
    found, at = [], 0
    for f, field in enumerate(scheme.fields):
        if field.kind is Kind.BLOCK:
            found.append(0 if [each.name for each in scheme.passes].index(field.name) in shared else -1)
            continue
        span = slice(at, at + field.bits // 8)
        at += field.bits // 8
        if not (left[2] & right[2]) >> f & 1:
            found.append(-1)
            continue
        sums = sum(
            (x ^ y).bit_count() for p in shared for x, y in zip(left[1][p][span], right[1][p][span], strict=True)
        )
        mean = int(sums / len(shared) + 0.5)
        found.append(max(mean, 1) if sums else 0)
    return tuple(found)


def weigh(
    scheme: LinkageScheme,
    distance: Sequence[int],
    tables: Sequence[Sequence[float]],
    least: Sequence[float],
    rivals: Sequence[tuple[float, Sequence[str]]],
) -> float:
    """Match weight in bits; `rivals`: prior and explained fields of each, strangers among them. -1000 if vetoed."""
    if any(field.vetoes and d > 0 for field, d in zip(scheme.fields, distance, strict=True)):
        return -1000.0
    comparisons = list(dict.fromkeys(field.comparison for field in scheme.fields))
    totals = []
    for prior, explained in rivals:
        total = prior
        for comparison, floor in zip(comparisons, least, strict=True):
            parts: dict[str, list[float]] = {}
            mine = [(f, field) for f, field in enumerate(scheme.fields) if field.comparison == comparison]
            of_alternative = Counter(field.alternative for _, field in mine)
            given = sum(tables[f][0] for f, field in mine if field.name in explained)
            for f, field in mine:
                if distance[f] >= 0:
                    weight = 0.0 if field.name in explained else tables[f][distance[f]]
                    summary = of_alternative[field.alternative] == 1 and max(of_alternative.values()) > 1
                    if summary and field.name not in explained:
                        weight -= given
                    parts.setdefault(field.alternative, []).append(weight)
            if parts:
                total += max(floor, *map(sum, parts.values()))
        totals.append(total)
    return min(totals)


def pair_odds(
    links: Sequence[tuple[int, int, float]], agency: Sequence[int], held: Sequence[int], population: int
) -> list[float]:
    """Of pairs of records with a weight each, the log2 odds that they are of one person, if a record has one partner at
    most at any agency: by all the ways in which that can be. 25 pairs between any two agencies count as known."""

    def likeliest(record: int, other: int) -> tuple[int, int, float] | None:
        """Of a record the likeliest link with an agency, the first of several."""
        beside = [link for link in ordered if record in link[:2] and other in (agency[link[0]], agency[link[1]])]
        return max(beside, key=lambda link: link[2], default=None)

    def found(own: int, other: int) -> list[tuple[int, int, float]]:
        """Of an agency's records the likeliest link each with another agency."""
        links = (likeliest(record, other) for record in range(len(agency)) if agency[record] == own)
        return [link for link in links if link]

    def probable(links: Iterable[tuple[int, int, float]]) -> float:
        return sum(1 / (1 + 2**-weight) for _, _, weight in links)

    def odds(a: int, b: int, weight: float) -> float:
        own, other = agency[a], agency[b]
        sides = found(own, other), found(other, own)
        more = (probable(set(sides[0]) & set(sides[1])) + 25) / (held[own] * held[other] / population + 25)
        for side, count in zip(sides, (held[own], held[other]), strict=True):
            more /= (count - probable(side) + 25) / (count + 25)
        return 2.0**weight * more

    ordered = list(links)
    weighed = [(a, b, odds(a, b, weight)) for a, b, weight in links]
    ways: list[tuple[frozenset[int], set[tuple[int, int]], float]] = [(frozenset(), set(), 1.0)]
    for i, (a, b, each) in enumerate(weighed):
        taken = {(a, agency[b]), (b, agency[a])}
        ways += [(chosen | {i}, used | taken, share * each) for chosen, used, share in ways if not used & taken]
    whole = [sum(share for chosen, _, share in ways if i in chosen) for i in range(len(links))]
    return [log2(each / (sum(share for _, _, share in ways) - each)) for each in whole]


def candidate_pairs(rows: Sequence[tuple[int, Sequence[bytes]]]) -> set[tuple[int, int]]:
    """Rows of different agencies that share a block; a row: agency and block tokens by pass, b'' if none."""
    return {
        (i, j)
        for i, j in combinations(range(len(rows)), 2)
        if rows[i][0] != rows[j][0] and any(a and a == b for a, b in zip(rows[i][1], rows[j][1], strict=True))
    }


def resolve(
    links: Mapping[tuple[Name, Name], float],
    vetoed: Callable[[Name, Name], bool],
    apart: Callable[[Name, Name], bool],
    margin: float,
) -> tuple[set[frozenset[Name]], set[tuple[Name, Name]]]:
    """Persons of two or more records, and the links that no leader decided. Ties are broken by what stands for a record
    in `links`: by its name, or by its number where links differ in weight or the order of numbers is that of names."""
    outbid = {
        one
        for one, other in permutations(links, 2)
        if len(set(one) & set(other)) == 1
        and links[other] - links[one] >= margin
        and vetoed(*sorted(set(one) ^ set(other)))
    }
    dropped, contested = set(outbid), set[tuple[Name, Name]]()
    for one, other in combinations([each for each in links if each not in outbid], 2):
        common = set(one) & set(other)
        if len(common) != 1:
            continue
        a, b = sorted((set(one) | set(other)) - common)
        if (a, b) in links or not (vetoed(a, b) or apart(a, b)):
            continue
        lead = links[one] - links[other]
        if lead == 0 or abs(lead) < margin:
            contested |= {one, other}
        else:
            dropped.add(other if lead > 0 else one)
    dropped |= contested
    persons = {record: frozenset([record]) for pair in links for record in pair}
    for pair in sorted((pair for pair in links if pair not in dropped), key=lambda pair: (-links[pair], pair)):
        a, b = persons[pair[0]], persons[pair[1]]
        if a != b and not any(vetoed(x, y) for x in a for y in b):
            persons |= dict.fromkeys(a | b, a | b)
    return {person for person in persons.values() if len(person) > 1}, contested


class ToldOf(NamedTuple):
    """What the coordinator was told of a person."""

    agencies: frozenset[str]
    dormant: bool = False
    at: int = 0


def follow(told: dict[int, ToldOf], kind: AlertKind, person: int, now: ToldOf, survivor: int) -> None:
    """Follow one alert of the log, about a person that is told to be as `now`."""
    if kind in (AlertKind.KNOWN_TO_TWO, AlertKind.FURTHER_AGENCY):
        told[person] = now
    elif kind is AlertKind.NO_LONGER_IDENTIFIED and person in told:
        told[person] = told[person]._replace(dormant=True)
    elif kind in (AlertKind.WITHDRAWN, AlertKind.MERGED):
        was = told.pop(person, None)
        if was and kind is AlertKind.MERGED:
            told.setdefault(survivor, was._replace(dormant=True))


@dataclass(frozen=True)
class Standing:
    """A person as the rules of alerting see it."""

    person: int
    records: frozenset[int]
    agencies: frozenset[str]
    holders: frozenset[str]
    restricted: bool = False
    contacted: bool = False
    quiet: bool = False

    @property
    def known_to(self) -> frozenset[str]:
        """The agencies to tell about."""
        return self.agencies if len(self.agencies) >= 2 and not self.restricted else frozenset()


def decide(
    told: Mapping[int, ToldOf], before: Mapping[int, frozenset[int]], after: Sequence[Standing]
) -> list[tuple[AlertKind, int, int]]:
    """Alerts to raise, in order: kind, person and the person that remains, -1 if none."""
    drafts: list[tuple[AlertKind, int, int]] = []
    for now in after:
        was = told.get(now.person)
        if was and (now.restricted or was.agencies - now.holders):
            drafts.append((AlertKind.WITHDRAWN, now.person, -1))
            was = None
        if not now.known_to:
            if was and not was.dormant:
                drafts.append((AlertKind.NO_LONGER_IDENTIFIED, now.person, -1))
            continue
        if was is None or was.dormant:
            drafts.append((AlertKind.KNOWN_TO_TWO, now.person, -1))
        elif now.known_to - was.agencies and not now.quiet:
            drafts.append((AlertKind.FURTHER_AGENCY, now.person, -1))
        if now.contacted:
            drafts.append((AlertKind.ESCALATION, now.person, -1))
    current = {now.person for now in after}
    for person, records in before.items():
        if person in told and person not in current:
            was, heirs = told[person], [now for now in after if now.records & records]
            inherits = len(heirs) == 1 and was.dormant and not heirs[0].restricted and was.agencies <= heirs[0].holders
            if len(heirs) == 1 and (heirs[0].known_to or inherits):
                drafts.append((AlertKind.MERGED, person, heirs[0].person))
            else:
                drafts.append((AlertKind.WITHDRAWN, person, -1))
    return drafts
