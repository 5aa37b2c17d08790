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
from matcher.agency.columns.parts import Parts
from matcher.agency.columns.texts import Column
from matcher.agency.hashing.texts import hmac_sha256
from matcher.agency.identity import NormalisedBatch
from matcher.agency.keys import AliasKey, LinkageKeys
from matcher.agency.sealing import seal_batch
from matcher.agency.signing.values import sign_column
from matcher.model import RESTRICTED, TokenBatch
from matcher.scheme import ALIAS_BYTES, SIGNATURE_BITS, TOKEN_BYTES, LinkageScheme

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
        parts = Parts(batch, self._scheme)
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
        block_secrets, present = self._block_secrets(parts, rows)
        values, signature_of = self._sign(parts)
        passes, width = len(scheme.passes), scheme.encoding_bytes
        tokens = np.zeros((rows, passes, TOKEN_BYTES), np.uint8)
        encodings = _random_bytes(rows * passes * width).reshape(rows, passes, width)
        encodings[~present] = 0
        bits = np.array([field.bits for field in scheme.encoded], np.int64)
        kernels.encode(block_secrets, np.flatnonzero(present), values, signature_of, bits, tokens, encodings)
        return tokens, encodings, _mask(present)

    def _block_secrets(self, parts: Parts, rows: int) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
        """B of every block that rows fall into, (n, 8) words, by row, then pass; and which blocks these are, (R, P).
        The one place that makes B."""
        parts_of_passes = dict.fromkeys(part for each in self._scheme.passes for part in each.parts)
        names = {part: number for number, part in enumerate(parts_of_passes)}
        texts, ends, codes = _together([parts[part] for part in names])
        present = np.zeros((rows, len(self._scheme.passes)), bool)
        made = []
        for p, blocking_pass in enumerate(self._scheme.passes):
            chosen = np.array([names[part] for part in blocking_pass.parts])
            values, stops, fallen = kernels.ended_parts(texts, ends, codes, chosen, _PART_END)
            present[fallen, p] = True
            made.append(hmac_sha256(self._keys.pass_key(blocking_pass.name), values, stops))
        places = (np.cumsum(present) - 1).reshape(present.shape)
        block_secrets = np.empty((sum(map(len, made)), 8), np.uint32)
        for p, secrets_of_pass in enumerate(made):
            block_secrets[places[present[:, p], p]] = secrets_of_pass
        return block_secrets, present

    def _sign(self, parts: Parts) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Signatures of the batch's distinct values, (values, M), and which one each row and field has, (R, F)."""
        columns = [parts[field.name] for field in self._scheme.encoded]
        signatures = np.empty((sum(len(column.ends) for column in columns), SIGNATURE_BITS), np.uint8)
        at = 0
        for field, column in zip(self._scheme.encoded, columns, strict=True):
            sign_column(self._keys.sign_key(field.name), field, column, signatures[at : at + len(column.ends)])
            at += len(column.ends)
        return signatures, np.ascontiguousarray(_together(columns)[2].T)


def _together(columns: list[Column]) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """The texts of some columns, their ends, and which of them each column has in each row, (columns, R), -1 if
    missing."""
    firsts = np.cumsum([0, *(len(column.ends) for column in columns[:-1])])
    starts = np.cumsum([0, *(len(column.texts) for column in columns[:-1])])
    ends = [column.ends + start for column, start in zip(columns, starts, strict=True)]
    codes = [
        np.where(column.codes < 0, -1, column.codes + first) for column, first in zip(columns, firsts, strict=True)
    ]
    return np.concatenate([column.texts for column in columns]), np.concatenate(ends), np.stack(codes)


def _random_bytes(size: int) -> NDArray[np.uint8]:
    """Of a key stream under a key of its own: the system's own source is slow for so many."""
    stream = Cipher(ChaCha20(secrets.token_bytes(32), bytes(16)), None).encryptor()
    made = np.zeros(size, np.uint8)
    stream.update_into(made.data, made.data)
    return made


def _mask(columns: NDArray[np.bool_]) -> NDArray[np.uint16]:
    """Bit i of row r: whether `columns` (rows, up to 16) holds there."""
    weights = np.array([1 << i for i in range(columns.shape[1])], np.uint16)
    masks: NDArray[np.uint16] = (columns * weights).sum(axis=1, dtype=np.uint16)
    return masks
