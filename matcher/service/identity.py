"""Who is calling, and what they may call. The only identity is the URI name in the client's certificate."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import cast

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from matcher.config import Coordinator, ServerConfig
from matcher.errors import PermissionDeniedError, UnknownCallerError
from matcher.service.credentials import DenyList


class Role(StrEnum):
    """What a caller is."""

    AGENCY = "agency"
    COORDINATOR = "coordinator"
    OPERATOR = "operator"


_EVERYONE = frozenset(Role)
MAY_CALL: dict[str, frozenset[Role]] = {
    "matcher.v1.FeedService": frozenset({Role.AGENCY}),
    "matcher.v1.AlertService": frozenset({Role.COORDINATOR}),
    "matcher.v1.CaseService": frozenset({Role.COORDINATOR}),
    "matcher.v1.StatusService": frozenset({Role.OPERATOR}),
    "grpc.health.v1.Health": _EVERYONE,
    "grpc.reflection.v1alpha.ServerReflection": _EVERYONE,
}
"""Roles by service; a service not named here may be called by no one."""

REFUSAL = "this caller may not call this method"
UNKNOWN = "the certificate names no caller of this matcher"


@dataclass(frozen=True, slots=True)
class Caller:
    """A party of the configuration."""

    role: Role
    name: str
    restricted: bool = False
    """Reviews what concerns restricted records."""


class Directory:
    """Callers by the URI name of their certificate, less those whose certificate is denied or has expired."""

    def __init__(self, config: ServerConfig, deny_list: DenyList) -> None:
        self._deny_list = deny_list
        self._callers = {
            party.certificate: Caller(role, party.name, isinstance(party, Coordinator) and party.restricted)
            for role, parties in (
                (Role.AGENCY, config.agencies),
                (Role.COORDINATOR, config.coordinators),
                (Role.OPERATOR, config.operators),
            )
            for party in parties
        }

    def identify(self, context: grpc.ServicerContext) -> Caller:
        """The caller; `UnknownCallerError` if the certificate has no URI name, or none of the configuration, or is
        denied, or has expired since the connection was opened."""
        # not "x509_subject_alternative_name": there a DNS name may look like a URI
        properties = cast(Mapping[str, Sequence[bytes]], context.auth_context())
        uris = [name.decode(errors="replace") for name in properties.get("peer_uri", ())]
        for caller in filter(None, map(self._callers.get, uris)):
            fingerprint, expires_at = _certificate(properties["x509_pem_cert"][0])
            if not self._deny_list.names.isdisjoint([fingerprint, *uris]) or expires_at < time.time():
                break
            return caller
        raise UnknownCallerError(UNKNOWN)


def authorise(caller: Caller, method: str) -> None:
    """`PermissionDeniedError` unless a caller may call the method (`/package.Service/Method`)."""
    if caller.role not in MAY_CALL.get(method.split("/")[1], frozenset()):
        raise PermissionDeniedError(REFUSAL)


def fingerprint(context: grpc.ServicerContext) -> str:
    """SHA-256 of whose certificate calls, as the deny list has it."""
    properties = cast(Mapping[str, Sequence[bytes]], context.auth_context())
    return _certificate(properties["x509_pem_cert"][0])[0]


@lru_cache(maxsize=1024)
def _certificate(pem: bytes) -> tuple[str, float]:
    """SHA-256 fingerprint of a client's certificate, and when it expires in seconds since 1970-01-01 UTC."""
    certificate = x509.load_pem_x509_certificate(pem)
    return certificate.fingerprint(SHA256()).hex(), certificate.not_valid_after_utc.timestamp()
