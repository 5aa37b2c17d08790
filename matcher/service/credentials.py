"""The matcher's certificate and the deny list, read again when their files change.

What cannot be read, or does not fit together yet, changes nothing: what was good stays in force, and the log says so.
"""

import logging
import re
from pathlib import Path
from typing import Any

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from matcher.config import TlsFiles
from matcher.errors import ConfigError

log = logging.getLogger(__name__)
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_URI = re.compile(r"spiffe://\S{1,500}")
_Stamp = tuple[tuple[int, int, int, int], ...]


class ServerCertificate:
    """The matcher's own certificate. A new one counts from the next connection on; those that are open stay open."""

    def __init__(self, tls: TlsFiles) -> None:
        self._files = (tls.key, tls.certificate, tls.authority)
        self._stamp = _stamp(*self._files)
        self._first = _fitting(*self._read())

    def credentials(self) -> grpc.ServerCredentials:
        """For `add_secure_port`: clients must have a certificate too."""
        fetch: Any = self._changed  # the stubs do not know that None means no change
        return grpc.dynamic_ssl_server_credentials(self._first, fetch, require_client_authentication=True)

    def _changed(self) -> grpc.ServerCertificateConfiguration | None:
        """What to use from now on; None: no change. gRPC asks before every handshake."""
        try:
            stamp = _stamp(*self._files)
            if stamp == self._stamp:
                return None
            files = self._read()
            self._stamp = stamp  # only now: a read that fails, of too many open files say, is tried again
            configuration = _fitting(*files)
        except (OSError, ValueError, TypeError, ConfigError) as error:
            log.error("[tls] has changed and is not taken over (%s)", type(error).__name__)
            return None
        log.info("[tls] has changed and is taken over")
        return configuration

    def _read(self) -> list[bytes]:
        return [path.read_bytes() for path in self._files]


def _fitting(key: bytes, certificate: bytes, authority: bytes) -> grpc.ServerCertificateConfiguration:
    """Contents of the three files, once they fit together; `ConfigError` if they do not."""
    try:
        fits = x509.load_pem_x509_certificate(certificate).public_key() == load_pem_private_key(key, None).public_key()
        x509.load_pem_x509_certificates(authority)
    except (ValueError, TypeError):  # a parser's own words might quote the key
        raise ConfigError("[tls]", ["[tls]: a file is not PEM of what it should be"]) from None
    if not fits:
        raise ConfigError("[tls]", ["[tls] key: is not that of certificate"])
    return grpc.ssl_server_certificate_configuration([(key, certificate)], authority)


class DenyList:
    """Certificates that are let in no more: `names` holds SHA-256 fingerprints (64 hex digits) and URI names.

    `ConfigError` if the file is wrong at the start; `path` None: nobody is denied.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._stamp: _Stamp = ()
        self.names: frozenset[str] = frozenset()
        if path is not None:
            self._stamp = _stamp(path)
            self.names = _read_names(path)

    def refresh(self) -> None:
        """Read the file again if it changed."""
        if self._path is None:
            return
        try:
            stamp = _stamp(self._path)
            if stamp != self._stamp:
                self.names = _read_names(self._path)
                self._stamp = stamp
                log.info("the deny list has changed and is taken over: %d entries", len(self.names))
        except (OSError, ConfigError) as error:
            reason = "; ".join(error.problems) if isinstance(error, ConfigError) else type(error).__name__
            log.error("the deny list is not taken over (%s); the one before stays in force", reason)


def _read_names(path: Path) -> frozenset[str]:
    """One name a line; `#` begins a comment. A fingerprint may have colons, and openssl's words before it."""
    names, problems = set(), []
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        text = line.partition("#")[0].strip()
        fingerprint = text.rpartition("=")[2].replace(":", "").lower()
        if _FINGERPRINT.fullmatch(fingerprint):
            names.add(fingerprint)
        elif _URI.fullmatch(text):
            names.add(text)
        elif text:
            problems.append(f"[matcher] deny_list: line {number} is neither a SHA-256 fingerprint nor a URI name")
    if problems:
        raise ConfigError("[matcher] deny_list", problems)
    return frozenset(names)


def _stamp(*paths: Path) -> _Stamp:
    statuses = [path.stat() for path in paths]
    return tuple((each.st_mtime_ns, each.st_ctime_ns, each.st_ino, each.st_size) for each in statuses)
