"""From normalised rows to token records: the last place that sees clear text.

Sign, pick, pad (`docs/token-scheme.md`): every field value becomes a keyed signature; every block a row falls into
picks bits of it in an order of its own and covers them with a pad of its own. Two records can be compared only inside
a block.
"""

import hashlib
import hmac
import secrets

import numpy as np
from numpy.typing import NDArray

from matcher.agency.elements import elements
from matcher.agency.identity import NormalisedBatch
from matcher.agency.kernels import encode, signatures
from matcher.agency.keys import AliasKey, LinkageKeys
from matcher.agency.sealing import seal_batch
from matcher.blocking.passes import Columns, blocking_values
from matcher.model import RESTRICTED, UNKNOWN_DAY, TokenBatch
from matcher.scheme import ALIAS_BYTES, SIGNATURE_BITS, TOKEN_BYTES, Field, LinkageScheme


def canonical_columns(batch: NormalisedBatch, scheme: LinkageScheme) -> dict[str, list[str]]:
    """A normalised batch's columns under the scheme's names for them; the identifier's is the scheme's own. Of
    forenames the first counts: agencies differ most in how many of the others they write down."""
    names = ("forename", "surname", "year", "month", "day", "sex", "postcode", "address")
    columns: dict[str, list[str]] = {name: getattr(batch, name) for name in names}
    columns["forename"] = [name.partition(" ")[0] for name in batch.forename]
    columns[scheme.identifier_column] = batch.identifier
    columns["full_name"] = [" ".join(name).strip() for name in zip(columns["forename"], batch.surname, strict=True)]
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
        aliases = [self._alias_key.alias(reference) for reference in references]
        encapsulation, sealed = seal_batch(
            self._coordinator_key,
            scheme_digest=self._scheme.digest,
            epoch=self._keys.epoch,
            agency=self._agency,
            aliases=aliases,
            references=references,
            notes=[batch.note[i] for i in starts],
        )
        ends = [*starts[1:], len(batch)]
        spans = list(zip(starts, ends, strict=True))
        columns = canonical_columns(batch, self._scheme)
        block_tokens, encodings, pass_masks = self._encode(columns, len(batch))
        return TokenBatch(
            epoch=self._keys.epoch,
            aliases=np.frombuffer(b"".join(aliases), np.uint8).reshape(-1, ALIAS_BYTES),
            row_records=np.repeat(np.arange(len(starts), dtype=np.uint32), np.diff([*starts, len(batch)])),
            field_masks=_mask([[bool(value) for value in columns[field.name]] for field in self._scheme.fields]),
            pass_masks=pass_masks,
            block_tokens=block_tokens,
            encodings=encodings,
            observed_days=np.array([max(batch.observed_day[a:b], default=UNKNOWN_DAY) for a, b in spans], np.int32),
            flags=np.array([RESTRICTED * any(batch.restricted[a:b]) for a, b in spans], np.uint8),
            encapsulation=encapsulation,
            sealed=sealed,
        )

    def _encode(self, columns: Columns, rows: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint16]]:
        scheme = self._scheme
        block_secrets, present = self._block_secrets(columns, rows)
        values, signature_of = self._sign(columns, rows)
        tokens = np.empty((rows, len(scheme.passes), TOKEN_BYTES), np.uint8)
        shape = (rows, len(scheme.passes), scheme.encoding_bytes)
        encodings = np.frombuffer(bytearray(secrets.token_bytes(int(np.prod(shape)))), np.uint8).reshape(shape)
        bits = np.array([field.bits for field in scheme.fields], np.int64)
        encode(block_secrets, present, values, signature_of, bits, tokens, encodings)
        return tokens, encodings, _mask(list(present.T.astype(bool)))

    def _block_secrets(self, columns: Columns, rows: int) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
        """B of every row and pass, (R, P, 8) words, and whether there is one. The one place that makes B."""
        passes = self._scheme.passes
        made = np.zeros((rows, len(passes), 8), np.uint32)
        present = np.zeros((rows, len(passes)), np.uint8)
        for p, blocking_pass in enumerate(passes):
            key = self._keys.pass_key(blocking_pass.name)
            for r, value in enumerate(blocking_values(blocking_pass, columns)):
                if value:
                    made[r, p] = np.frombuffer(hmac.digest(key, value, hashlib.sha256), "<u4")
                    present[r, p] = 1
        return made, present

    def _sign(self, columns: Columns, rows: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Signatures of the batch's distinct values, (values, M), and which one each row and field has, (R, F)."""
        signature_of = np.full((rows, len(self._scheme.fields)), -1, np.int64)
        parts: list[NDArray[np.uint8]] = []
        before = 0
        for f, field in enumerate(self._scheme.fields):
            column = columns[field.name]
            number = {value: before + i for i, value in enumerate(sorted(set(column) - {""}))}
            signature_of[:, f] = [number.get(value, -1) for value in column]
            if number:
                parts.append(self.sign_values(field, list(number)))
            before += len(number)
        return np.concatenate(parts or [np.zeros((0, SIGNATURE_BITS), np.uint8)]), signature_of

    def sign_values(self, field: Field, values: list[str]) -> NDArray[np.uint8]:
        """Whole signatures (values, M) of canonical values of one field; they never leave the agency."""
        sets = [elements(field.kind, value) for value in values]
        key = self._keys.sign_key(field.name)
        hashed = {
            element: int.from_bytes(hmac.digest(key, element.encode(), hashlib.sha256)[:8], "little")
            for element in set[str]().union(*sets)
        }
        flat = np.array([hashed[element] for chosen in sets for element in chosen], np.uint64)
        return signatures(flat, np.cumsum([len(chosen) for chosen in sets]), SIGNATURE_BITS)


def _mask(columns: list[list[bool]] | list[NDArray[np.bool_]]) -> NDArray[np.uint16]:
    """Bit i of row r: whether column i holds there."""
    weights = np.array([1 << i for i in range(len(columns))], np.uint16)
    masks: NDArray[np.uint16] = (np.array(columns, np.uint16).T * weights).sum(axis=1, dtype=np.uint16)
    return masks
