"""Who is calling, and what they may call. The only identity is the URI name in the client's certificate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import cast

import grpc

from matcher.config import ServerConfig
from matcher.errors import PermissionDeniedError, UnknownCallerError


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


class Directory:
    """Callers by the URI name of their certificate."""

    def __init__(self, config: ServerConfig) -> None:
        self._callers = {
            party.certificate: Caller(role, party.name)
            for role, parties in (
                (Role.AGENCY, config.agencies),
                (Role.COORDINATOR, config.coordinators),
                (Role.OPERATOR, config.operators),
            )
            for party in parties
        }

    def identify(self, context: grpc.ServicerContext) -> Caller:
        """The caller; `UnknownCallerError` if the certificate has no URI name, or none of the configuration."""
        # not "x509_subject_alternative_name": there a DNS name may look like a URI
        properties = cast(Mapping[str, Sequence[bytes]], context.auth_context())
        for name in properties.get("peer_uri", ()):
            if caller := self._callers.get(name.decode(errors="replace")):
                return caller
        raise UnknownCallerError(UNKNOWN)

    def authorise(self, context: grpc.ServicerContext, method: str) -> Caller:
        """The caller, if it may call the method (`/package.Service/Method`); else `PermissionDeniedError`."""
        caller = self.identify(context)
        if caller.role not in MAY_CALL.get(method.split("/")[1], frozenset()):
            raise PermissionDeniedError(REFUSAL)
        return caller
