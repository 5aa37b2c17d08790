"""From normalised rows to token records: the last place that sees clear text.

Sign, pick, pad (`docs/token-scheme.md`): every field value becomes a keyed signature; every block a row falls into
picks bits of it in an order of its own and covers them with a pad of its own. Two records can be compared only inside
a block.
"""

import secrets

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from numpy.typing import NDArray

from matcher.agency import kernels
from matcher.agency.hashing.texts import bytes_of, hmac_sha256
from matcher.agency.identity import NormalisedBatch
from matcher.agency.keys import AliasKey, LinkageKeys
from matcher.agency.sealing import seal_batch
from matcher.agency.signing.values import sign_values
from matcher.blocking.passes import Parts
from matcher.model import RESTRICTED, TokenBatch
from matcher.scheme import ALIAS_BYTES, TOKEN_BYTES, LinkageScheme

_PART_END = 0x1F


def canonical_columns(batch: NormalisedBatch, scheme: LinkageScheme) -> dict[str, list[str]]:
    """A normalised batch's columns under the scheme's names for them; the identifier's is the scheme's own. Of
    forenames the first counts: agencies differ most in how many of the others they write down."""
    names = ("forename", "surname", "year", "month", "day", "sex", "postcode", "address")
    columns: dict[str, list[str]] = {name: getattr(batch, name) for name in names}
    columns["forename"] = [name.partition(" ")[0] for name in batch.forename]
    columns[scheme.identifier_column] = batch.identifier
    names_of = zip(columns["forename"], batch.surname, strict=True)
    columns["full_name"] = [" ".join(name) if all(name) else "" for name in names_of]
    columns["month_day"] = [
        f"{month}-{day}" if month or day else "" for month, day in zip(batch.month, batch.day, strict=True)
    ]
    return columns


class Tokeniser:
    """Makes an agency's token records for one scheme, epoch and coordinator."""

    def __init__(
        self, scheme: LinkageScheme, keys: LinkageKeys, alias_key: AliasKey, agency: str, coordinator_key: bytes
    ) -> None:
        self._scheme = scheme
        self._keys = keys
        self._alias_key = alias_key
        self._agency = agency
        self._coordinator_key = coordinator_key

    def tokenise(self, batch: NormalisedBatch) -> TokenBatch:
        """Rows with one `record_ref` next to each other become the variants of one record. `batch` must not be empty.

        Random: the bits of missing fields and the seals; all else follows from the keys.
        """
        starts = [i for i, ref in enumerate(batch.record_ref) if i == 0 or ref != batch.record_ref[i - 1]]
        references = [batch.record_ref[i] for i in starts]
        aliases = self._alias_key.aliases(references)
        encapsulation, sealed = seal_batch(
            self._coordinator_key,
            scheme_digest=self._scheme.digest,
            epoch=self._keys.epoch,
            agency=self._agency,
            aliases=aliases,
            references=references,
            notes=[batch.note[i] for i in starts],
        )
        parts = Parts(canonical_columns(batch, self._scheme))
        block_tokens, encodings, pass_masks = self._encode(parts, len(batch))
        present = np.stack([parts[field.name].codes >= 0 for field in self._scheme.encoded], axis=1)
        return TokenBatch(
            epoch=self._keys.epoch,
            aliases=np.frombuffer(b"".join(aliases), np.uint8).reshape(-1, ALIAS_BYTES),
            row_records=np.repeat(np.arange(len(starts), dtype=np.uint32), np.diff([*starts, len(batch)])),
            field_masks=_mask(present),
            pass_masks=pass_masks,
            block_tokens=block_tokens,
            encodings=encodings,
            observed_days=np.maximum.reduceat(np.array(batch.observed_day, np.int32), starts),
            flags=RESTRICTED * np.maximum.reduceat(np.array(batch.restricted, np.uint8), starts),
            encapsulation=encapsulation,
            sealed=sealed,
        )

    def _encode(self, parts: Parts, rows: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint16]]:
        scheme = self._scheme
        block_secrets, places = self._block_secrets(parts)
        values, signature_of = self._sign(parts)
        passes, width = len(scheme.passes), scheme.encoding_bytes
        tokens = np.zeros((rows, passes, TOKEN_BYTES), np.uint8)
        present = np.zeros((rows, passes), bool)
        present.flat[places] = True
        encodings = np.zeros((rows, passes, width), np.uint8)
        encodings[present] = _random_bytes(len(places) * width).reshape(-1, width)
        bits = np.array([field.bits for field in scheme.encoded], np.int64)
        kernels.encode(block_secrets, places, values, signature_of, bits, tokens, encodings)
        return tokens, encodings, _mask(present)

    def _block_secrets(self, parts: Parts) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """B of every block that rows fall into, (n, 8) words, and which block, (n,): row * P + pass, ascending. The one
        place that makes B."""
        made, places = [], []
        held = {part: bytes_of(parts[part].values) for each in self._scheme.passes for part in each.parts}
        for p, blocking_pass in enumerate(self._scheme.passes):
            texts, ends = zip(*(held[part] for part in blocking_pass.parts), strict=True)
            firsts = np.cumsum([0, *map(len, ends[:-1])])
            stops = np.cumsum([0, *map(len, texts[:-1])])
            codes = np.stack([parts[part].codes for part in blocking_pass.parts], axis=1)
            rows = np.flatnonzero((codes >= 0).all(axis=1))
            ends_of_all = np.concatenate([each + stop for each, stop in zip(ends, stops, strict=True)])
            values = kernels.ended_parts(np.concatenate(texts), ends_of_all, codes[rows] + firsts, _PART_END)
            made.append(hmac_sha256(self._keys.pass_key(blocking_pass.name), *values))
            places.append(rows * len(self._scheme.passes) + p)
        order = np.argsort(np.concatenate(places))
        return np.concatenate(made)[order], np.concatenate(places)[order]

    def _sign(self, parts: Parts) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Signatures of the batch's distinct values, (values, M), and which one each row and field has, (R, F)."""
        columns = [parts[field.name] for field in self._scheme.encoded]
        firsts = np.cumsum([0, *(len(column.values) for column in columns[:-1])])
        signed = [
            sign_values(self._keys.sign_key(field.name), field, column.values)
            for field, column in zip(self._scheme.encoded, columns, strict=True)
        ]
        codes = np.stack([column.codes for column in columns], axis=1)
        return np.concatenate(signed), np.where(codes >= 0, codes + firsts, -1)


def _random_bytes(size: int) -> NDArray[np.uint8]:
    """Of a key stream under a key of its own: the system's own source is slow for so many."""
    stream = Cipher(ChaCha20(secrets.token_bytes(32), bytes(16)), None).encryptor()
    return np.frombuffer(stream.update(bytes(size)), np.uint8)


def _mask(columns: NDArray[np.bool_]) -> NDArray[np.uint16]:
    """Bit i of row r: whether `columns` (rows, up to 16) holds there."""
    weights = np.array([1 << i for i in range(columns.shape[1])], np.uint16)
    masks: NDArray[np.uint16] = (columns * weights).sum(axis=1, dtype=np.uint16)
    return masks
