"""Names for persons and notices: they say nothing, never change, and mean nothing outside one database."""

import hashlib
from collections.abc import Sequence

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from numpy.typing import NDArray

_NUMBER_BYTES = 8


class Names:
    """16-byte names made of a database's id and numbers. Not safe for several threads at once."""

    def __init__(self, database_id: bytes) -> None:
        self._key = database_id
        key = hashlib.blake2b(b"person", key=database_id, digest_size=32).digest()
        # one block a name: a keyed permutation, so that a person's name leads back to its oldest record
        persons = Cipher(AES(key), ECB())  # noqa: S305
        self._encrypt, self._decrypt = persons.encryptor(), persons.decryptor()

    def person(self, oldest: int) -> bytes:
        """Name of the person whose oldest record has this number."""
        return self._encrypt.update(bytes(_NUMBER_BYTES) + oldest.to_bytes(_NUMBER_BYTES, "big"))

    def persons(self, oldest: NDArray[np.int64]) -> list[bytes]:
        """Names of the persons of some oldest records (n,)."""
        plain = np.zeros((len(oldest), 2), ">i8")
        plain[:, 1] = oldest
        names: list[bytes] = np.frombuffer(self._encrypt.update(plain.tobytes()), "V16").tolist()
        return names

    def oldest_record(self, person_id: bytes) -> int:
        """The number a person's name was made of, -1 if it is none of this database."""
        plain = self._decrypt.update(person_id) if len(person_id) == 2 * _NUMBER_BYTES else b""
        return int.from_bytes(plain[_NUMBER_BYTES:], "big") if plain[:_NUMBER_BYTES] == bytes(_NUMBER_BYTES) else -1

    def oldest_records(self, person_ids: Sequence[bytes]) -> NDArray[np.int64]:
        """The numbers (n,) that names of this database were made of, -1 for no name."""
        named = np.array([len(person_id) > 0 for person_id in person_ids], np.bool_)
        plain = np.frombuffer(self._decrypt.update(b"".join(person_ids)), ">i8").reshape(-1, 2)
        found = np.full(len(person_ids), -1, np.int64)
        found[named] = plain[:, 1]
        return found

    def notice(self, frame_id: int, record: int) -> bytes:
        """Name of the notice that a CLOSURE frame made about a record."""
        numbers = b"".join(number.to_bytes(_NUMBER_BYTES, "big") for number in (frame_id, record))
        return hashlib.blake2b(b"notice" + numbers, key=self._key, digest_size=16).digest()
