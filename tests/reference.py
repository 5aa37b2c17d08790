"""The slow truth: what the compiled loops do, said again with sets, `hmac`, the ChaCha20 of `cryptography`, and
loops."""

import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20

from matcher.scheme import LinkageScheme

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


def distances(
    scheme: LinkageScheme,
    left: tuple[Sequence[bytes], Sequence[bytes], int],
    right: tuple[Sequence[bytes], Sequence[bytes], int],
) -> tuple[int, ...] | None:
    """Of two rows, each block tokens (b'' if none), encodings and field mask: mean distances over shared blocks,
    rounded half up, 0 only if 0 in all; -1 where missing. None if they share no block."""
    shared = [p for p, (a, b) in enumerate(zip(left[0], right[0], strict=True)) if a and a == b]
    if not shared:
        return None
    found, at = [], 0
    for f, field in enumerate(scheme.fields):
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
    contribution = {field.name: 0.0 for field in scheme.fields}
    comparisons = list(dict.fromkeys(field.comparison for field in scheme.fields))
    for comparison, floor in zip(comparisons, least, strict=True):
        alternatives: dict[str, dict[str, float]] = {}
        for f, field in enumerate(scheme.fields):
            if field.comparison == comparison and distance[f] >= 0:
                alternatives.setdefault(field.alternative, {})[field.name] = tables[f][distance[f]]
        if not alternatives:
            continue
        best = max(alternatives.values(), key=lambda parts: sum(parts.values()))
        total = sum(best.values())
        scale = floor / total if total < floor else 1.0
        contribution |= {name: weight * scale for name, weight in best.items()}
    return min(
        prior + sum(weight for name, weight in contribution.items() if name not in explained)
        for prior, explained in rivals
    )


def candidate_pairs(rows: Sequence[tuple[int, Sequence[bytes]]]) -> set[tuple[int, int]]:
    """Rows of different agencies that share a block; a row: agency and block tokens by pass, b'' if none."""
    return {
        (i, j)
        for i, j in combinations(range(len(rows)), 2)
        if rows[i][0] != rows[j][0] and any(a and a == b for a, b in zip(rows[i][1], rows[j][1], strict=True))
    }


def resolve(
    links: Mapping[tuple[int, int], float],
    vetoed: Callable[[int, int], bool],
    apart: Callable[[int, int], bool],
    margin: float,
) -> set[frozenset[int]]:
    """Persons of two or more records. Ties are broken by record number: only for links that differ in weight, or where
    the order of records is that of their names."""
    dropped = set()
    for one, other in combinations(links, 2):
        common = set(one) & set(other)
        if len(common) != 1:
            continue
        a, b = sorted((set(one) | set(other)) - common)
        if (a, b) in links or not (vetoed(a, b) or apart(a, b)):
            continue
        lead = links[one] - links[other]
        dropped |= {one, other} if abs(lead) < margin else {other if lead > 0 else one}
    persons = {record: frozenset([record]) for pair in links for record in pair}
    for pair in sorted((pair for pair in links if pair not in dropped), key=lambda pair: (-links[pair], pair)):
        a, b = persons[pair[0]], persons[pair[1]]
        if a != b and not any(vetoed(x, y) for x in a for y in b):
            persons |= dict.fromkeys(a | b, a | b)
    return {person for person in persons.values() if len(person) > 1}
