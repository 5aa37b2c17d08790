"""Opens the sealed references of an alert with the coordinator's private key.

The format is normative in `docs/token-scheme.md`. The few lines it shares with `matcher/agency/sealing.py` are written
twice on purpose: the two sides are run by different parties and meet in the format only.
"""

from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from matcher.errors import KeyFileError, SealError
from matcher.keyfile import KEY_BYTES, read_key, write_public_key, write_secret
from matcher.model import Disclosure

PRIVATE_KEY_LABEL = "coordinator private key"
_NONCE_BYTES = 12
_MOST_CIPHERS = 4096
"""A megabyte or two; with batches of 1,500 records, six million records' alerts open without a miss."""
_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
_LABEL = b"familiar-faces sealed reference v1"


@dataclass(frozen=True, slots=True)
class OpenedReference:
    """What an agency told the coordinator about its record; the repr shows neither."""

    reference: str = field(repr=False)
    note: str = field(repr=False)
    """Empty if there is none."""


class Opener:
    """Holds the coordinator's private key (32 raw bytes, X25519); its repr does not show it."""

    __slots__ = ("_ciphers", "_private_key")

    def __init__(self, private_key_raw: bytes) -> None:
        if len(private_key_raw) != KEY_BYTES:
            raise ValueError(f"a private key has {KEY_BYTES} bytes")
        self._private_key = X25519PrivateKey.from_private_bytes(private_key_raw)
        self._ciphers: dict[tuple[bytes, bytes, int, str], ChaCha20Poly1305] = {}
        """Of the batches last met, whose members come together; they open no more than the private key does."""

    @classmethod
    def load(cls, path: Path) -> "Opener":
        """From the private key's file; `KeyFileError` if it cannot be used."""
        return cls(read_key(path, PRIVATE_KEY_LABEL))

    def open(self, member: Disclosure, scheme_digest: bytes) -> OpenedReference:
        """The member's reference and note; `SealError` if it was not sealed to this key for just this member."""
        try:
            cipher = self._cipher((member.encapsulation, scheme_digest, member.epoch, member.agency))
            return _parse(cipher.decrypt(member.alias[:_NONCE_BYTES], member.sealed, member.alias))
        except (InvalidTag, ValueError, IndexError):
            # not chained: a decoding error quotes the text
            raise SealError(f"a sealed reference of {member.agency} does not open") from None

    def _cipher(self, batch: tuple[bytes, bytes, int, str]) -> ChaCha20Poly1305:
        """The cipher of one agency's batch: its encapsulation, scheme digest, epoch and agency."""
        if batch not in self._ciphers:
            encapsulation, scheme_digest, epoch, agency = batch
            parts = (_LABEL, scheme_digest, epoch.to_bytes(4, "big"), agency.encode())
            info = b"".join(len(part).to_bytes(2, "big") + part for part in parts)
            cipher = ChaCha20Poly1305(_SUITE.decrypt(encapsulation, self._private_key, info))
            if len(self._ciphers) == _MOST_CIPHERS:
                self._ciphers.pop(next(iter(self._ciphers)))
            self._ciphers[batch] = cipher
        return self._ciphers[batch]


def generate_coordinator_key(private_path: Path, public_path: Path) -> None:
    """Write a new key pair: the private key for the coordinator alone, the public one for every agency to pin.

    `KeyFileError` if either path exists; then nothing is left behind.
    """
    private_key = X25519PrivateKey.generate()
    write_secret(private_path, PRIVATE_KEY_LABEL, private_key.private_bytes_raw())
    try:
        write_public_key(public_path, private_key.public_key().public_bytes_raw())
    except KeyFileError:
        private_path.unlink()
        raise


def _parse(text: bytes) -> OpenedReference:
    note_at = 1 + text[0]
    end = note_at + 1 + text[note_at]
    if end > len(text) or text[end:].strip(b"\0"):
        raise ValueError("lengths and padding do not fit")
    return OpenedReference(text[1:note_at].decode(), text[note_at + 1 : end].decode())
