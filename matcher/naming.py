"""Names for persons and notices: they say nothing, never change, and mean nothing outside one database."""

import hashlib

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

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

    def oldest_record(self, person_id: bytes) -> int:
        """The number a person's name was made of, -1 if it is none of this database."""
        plain = self._decrypt.update(person_id) if len(person_id) == 2 * _NUMBER_BYTES else b""
        return int.from_bytes(plain[_NUMBER_BYTES:], "big") if plain[:_NUMBER_BYTES] == bytes(_NUMBER_BYTES) else -1

    def notice(self, frame_id: int, record: int) -> bytes:
        """Name of the notice that a CLOSURE frame made about a record."""
        return self._derived(b"notice", frame_id, record)

    def _derived(self, label: bytes, *numbers: int) -> bytes:
        content = label + b"".join(number.to_bytes(_NUMBER_BYTES, "big") for number in numbers)
        return hashlib.blake2b(content, key=self._key, digest_size=16).digest()
