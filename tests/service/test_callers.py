"""Who gets in, and to what: TLS, certificates, roles. Every method of the contract is walked."""

import datetime
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub

import matcher.v1
from matcher.pki import init_pki
from matcher.rpc import open_channel
from matcher.service.identity import REFUSAL
from matcher.v1 import feed_service_pb2 as pb
from tests.service.servers import Deployed, Refusal, batch, people, raw_channel, refused, uri, write_config

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
PARTY = {"agency": "agency-police", "coordinator": "coordinator-hub", "operator": "operator-ops"}
MAY = {
    "agency": {"FeedService"},
    "coordinator": {"AlertService", "CaseService"},
    "operator": {"StatusService"},
}
GARBAGE = b"\xff\xff\xff\xff garbage"


@dataclass(frozen=True)
class Method:
    """A method of the contract."""

    service: str
    name: str
    client_streaming: bool
    server_streaming: bool

    @property
    def path(self) -> str:
        return f"/matcher.v1.{self.service}/{self.name}"

    def call(self, channel: grpc.Channel, data: bytes, timeout: float = 10.0) -> object:
        """Call it with raw bytes, and read the reply to its end."""
        kind = "_".join(
            "stream" if streaming else "unary" for streaming in (self.client_streaming, self.server_streaming)
        )
        reply = getattr(channel, kind)(self.path)(iter([data]) if self.client_streaming else data, timeout=timeout)
        return list(reply) if self.server_streaming else reply


def methods() -> Iterator[Method]:
    for module in pkgutil.iter_modules(matcher.v1.__path__):
        if module.name.endswith("_pb2"):
            descriptor = import_module(f"matcher.v1.{module.name}").DESCRIPTOR
            for service in descriptor.services_by_name.values():
                for method in service.methods:
                    yield Method(service.name, method.name, method.client_streaming, method.server_streaming)


METHODS = list(methods())
REFUSED = [(role, method) for role in MAY for method in METHODS if method.service not in MAY[role]]
ALLOWED = [(role, method) for role in MAY for method in METHODS if method.service in MAY[role]]


def named(value: object) -> str:
    return value.path.removeprefix("/matcher.v1.") if isinstance(value, Method) else str(value)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    with Deployed(tmp_path_factory.mktemp("callers")) as made:
        hub = replace(made.config.coordinators[0], restricted=True)  # so that every method answers it
        made.config = replace(made.config, coordinators=(hub,))
        made.restart()
        yield made


# -- roles -----------------------------------------------------------------------------------------------------------


def test_the_contract_has_the_services_that_are_walked() -> None:
    assert {method.service for method in METHODS} == set().union(*MAY.values())
    assert len(METHODS) >= 19


@pytest.mark.parametrize("data", [b"", GARBAGE], ids=["message", "garbage"])
@pytest.mark.parametrize(("role", "method"), REFUSED, ids=named)
def test_another_role_is_refused_with_one_text_before_anything_is_read(
    deployed: Deployed, role: str, method: Method, data: bytes
) -> None:
    found = refused(lambda: method.call(deployed.channel(PARTY[role]), data))
    assert found == Refusal(grpc.StatusCode.PERMISSION_DENIED, "ERROR_REASON_PERMISSION_DENIED", REFUSAL, {})


@pytest.mark.parametrize(("role", "method"), ALLOWED, ids=named)
def test_every_method_of_the_contract_is_there(deployed: Deployed, role: str, method: Method) -> None:
    try:
        method.call(deployed.channel(PARTY[role]), b"", timeout=1.5)
    except grpc.RpcError as error:
        assert error.code() in {
            grpc.StatusCode.INVALID_ARGUMENT,
            grpc.StatusCode.FAILED_PRECONDITION,
            grpc.StatusCode.NOT_FOUND,
            grpc.StatusCode.DEADLINE_EXCEEDED,
        }, error.code()  # fmt: skip
        assert method.server_streaming or error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED


@pytest.mark.parametrize(("role", "method"), ALLOWED, ids=named)
def test_bytes_that_are_no_message_are_refused(deployed: Deployed, role: str, method: Method) -> None:
    found = refused(lambda: method.call(deployed.channel(PARTY[role]), GARBAGE))
    assert (found.code, found.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "ERROR_REASON_INVALID_ARGUMENT")


@pytest.mark.parametrize("role", MAY)
def test_a_method_that_is_not_of_the_contract_is_unimplemented(deployed: Deployed, role: str) -> None:
    for path in (
        "/matcher.v1.FeedService/FindPerson",
        "/matcher.v1.PersonService/Find",
        "/grpc.health.v2.Health/Check",
    ):
        found = refused(lambda path=path: deployed.channel(PARTY[role]).unary_unary(path)(b""))
        assert (found.code, found.reason) == (grpc.StatusCode.UNIMPLEMENTED, "ERROR_REASON_UNKNOWN_METHOD")


def test_who_is_unknown_learns_of_no_method_whether_it_is_there(deployed: Deployed) -> None:
    for path in ("/matcher.v1.FeedService/FindPerson", "/matcher.v1.FeedService/GetScheme"):
        found = refused(lambda path=path: deployed.channel("agency-removed").unary_unary(path)(b""))
        assert found.reason == "ERROR_REASON_UNKNOWN_CALLER"


def test_the_answer_is_the_same_for_everyone_refused(deployed: Deployed) -> None:
    """Refusing the same method, for parties that the matcher holds much and nothing of."""
    feed = deployed.feed("police")
    feed.SubmitRecords(pb.SubmitRecordsRequest(request_id="much", batch=batch("police", people(range(5)))))
    deployed.settle()
    seen = set()
    for agency in ("police", "clinic"):
        call = deployed.channel(f"agency-{agency}").unary_unary("/matcher.v1.AlertService/ListAlerts")
        with pytest.raises(grpc.RpcError) as raised:
            call(b"")
        error = raised.value
        seen.add((error.code(), error.details(), tuple(error.trailing_metadata())))
    assert len(seen) == 1


# -- certificates ----------------------------------------------------------------------------------------------------


def test_an_agency_that_was_removed_is_unknown(deployed: Deployed) -> None:
    for method in METHODS:
        found = refused(lambda m=method: m.call(deployed.channel("agency-removed"), GARBAGE))
        assert (found.code, found.reason) == (grpc.StatusCode.UNAUTHENTICATED, "ERROR_REASON_UNKNOWN_CALLER")
        assert "removed" not in found.message


def test_the_matchers_own_certificate_is_no_caller(deployed: Deployed) -> None:
    # a server certificate is not for clients, so the handshake itself may refuse it
    with deployed.new_channel("server") as channel, pytest.raises(grpc.RpcError) as raised:
        METHODS[0].call(channel, b"")
    assert raised.value.code() in {UNAVAILABLE, grpc.StatusCode.UNAUTHENTICATED}


@pytest.mark.parametrize(
    "names",
    [
        [],
        [x509.DNSName("police")],
        [x509.DNSName(uri("agency", "police"))],
        [x509.UniformResourceIdentifier(uri("agency", "police") + "/more")],
        [x509.UniformResourceIdentifier(uri("agency", "Police"))],
        [x509.UniformResourceIdentifier("spiffe://other.test/agency/police")],
        [x509.RFC822Name("police@matcher.test")],
    ],
    ids=["none", "dns", "dns like it", "longer", "other case", "other domain", "mail"],
)
def test_a_certificate_without_a_known_uri_name_is_unknown(deployed: Deployed, names: list[x509.GeneralName]) -> None:
    key, certificate = issued(deployed.folder / "pki", names)
    with raw_channel(deployed.address, authority_of(deployed.folder), key, certificate) as channel:
        found = refused(lambda: METHODS[0].call(channel, b""))
    assert (found.code, found.reason) == (grpc.StatusCode.UNAUTHENTICATED, "ERROR_REASON_UNKNOWN_CALLER")


def test_the_right_name_lets_in(deployed: Deployed) -> None:
    key, certificate = issued(
        deployed.folder / "pki", [x509.DNSName("b.test"), x509.UniformResourceIdentifier(uri("agency", "police"))]
    )
    with raw_channel(deployed.address, authority_of(deployed.folder), key, certificate) as channel:
        assert METHOD_GET_SCHEME.call(channel, b"")


def test_an_expired_certificate_gets_no_connection(deployed: Deployed) -> None:
    names = [x509.UniformResourceIdentifier(uri("agency", "police"))]
    key, certificate = issued(deployed.folder / "pki", names, ends=datetime.timedelta(minutes=-1))
    with raw_channel(deployed.address, authority_of(deployed.folder), key, certificate) as channel:
        assert code_of(lambda: METHOD_GET_SCHEME.call(channel, b"")) is UNAVAILABLE


def test_a_certificate_of_another_authority_gets_no_connection(deployed: Deployed, tmp_path: Path) -> None:
    init_pki(write_config(tmp_path), tmp_path / "pki")
    folder = tmp_path / "pki" / "agency-police"
    key, certificate = (folder / "key.pem").read_bytes(), (folder / "certificate.pem").read_bytes()
    with raw_channel(deployed.address, authority_of(deployed.folder), key, certificate) as channel:
        assert code_of(lambda: METHOD_GET_SCHEME.call(channel, b"")) is UNAVAILABLE


def test_a_certificate_that_signed_itself_gets_no_connection(deployed: Deployed) -> None:
    names = [x509.UniformResourceIdentifier(uri("agency", "police"))]
    key, certificate = issued(None, names)
    with raw_channel(deployed.address, authority_of(deployed.folder), key, certificate) as channel:
        assert code_of(lambda: METHOD_GET_SCHEME.call(channel, b"")) is UNAVAILABLE


def test_a_client_without_a_certificate_gets_no_connection(deployed: Deployed) -> None:
    with raw_channel(deployed.address, authority_of(deployed.folder)) as channel:
        assert code_of(lambda: METHOD_GET_SCHEME.call(channel, b"")) is UNAVAILABLE


def test_a_client_without_tls_gets_no_connection(deployed: Deployed) -> None:
    with grpc.insecure_channel(deployed.address) as channel:
        assert code_of(lambda: METHOD_GET_SCHEME.call(channel, b"")) is UNAVAILABLE


def test_a_client_does_not_talk_to_a_matcher_of_another_authority(deployed: Deployed, tmp_path: Path) -> None:
    init_pki(write_config(tmp_path), tmp_path / "pki")
    tls = deployed.tls("agency-police")
    with raw_channel(
        deployed.address, authority_of(tmp_path), tls.key.read_bytes(), tls.certificate.read_bytes()
    ) as channel:
        assert code_of(lambda: METHOD_GET_SCHEME.call(channel, b"")) is UNAVAILABLE


def test_a_client_does_not_talk_to_a_matcher_of_another_name(deployed: Deployed) -> None:
    with open_channel(deployed.address, deployed.tls("agency-police"), "elsewhere.test") as channel:
        assert code_of(lambda: METHOD_GET_SCHEME.call(channel, b"")) is UNAVAILABLE


def test_a_message_beyond_the_limit_is_refused_and_the_connection_lives(deployed: Deployed) -> None:
    tls = deployed.tls("agency-police")
    with raw_channel(
        deployed.address, authority_of(deployed.folder), tls.key.read_bytes(), tls.certificate.read_bytes()
    ) as channel:
        submit = channel.unary_unary("/matcher.v1.FeedService/SubmitRecords")
        assert code_of(lambda: submit(bytes(33 << 20))) is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert METHOD_GET_SCHEME.call(channel, b"")


METHOD_GET_SCHEME = next(method for method in METHODS if method.name == "GetScheme")


def code_of(call: Callable[[], object]) -> grpc.StatusCode:
    with pytest.raises(grpc.RpcError) as raised:
        call()
    return raised.value.code()


def authority_of(folder: Path) -> bytes:
    return (folder / "pki" / "authority" / "authority.pem").read_bytes()


def issued(
    pki: Path | None, names: list[x509.GeneralName], ends: datetime.timedelta = datetime.timedelta(days=1)
) -> tuple[bytes, bytes]:
    """A client key and its certificate, signed by an authority or by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "police")])
    issuer, signer = subject, key
    if pki is not None:
        issuer = x509.load_pem_x509_certificate((pki / "authority" / "authority.pem").read_bytes()).subject
        signer = load_pem_private_key((pki / "authority" / "authority.key").read_bytes(), None)
    now = datetime.datetime.now(datetime.UTC)
    begins = now - datetime.timedelta(days=2)
    builder = x509.CertificateBuilder(
        issuer, subject, key.public_key(), x509.random_serial_number(), begins, now + ends
    )
    builder = builder.add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    certificate = builder.sign(signer, SHA256())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private, certificate.public_bytes(Encoding.PEM)


# -- health and reflection -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("party", PARTY.values())
def test_everyone_may_ask_for_health(deployed: Deployed, party: str) -> None:
    stub = HealthStub(deployed.channel(party))
    assert stub.Check(health_pb2.HealthCheckRequest()).status == health_pb2.HealthCheckResponse.SERVING
    watch = stub.Watch(health_pb2.HealthCheckRequest(), timeout=10)
    assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
    watch.cancel()


def test_an_unknown_caller_may_not_ask_for_health(deployed: Deployed) -> None:
    stub = HealthStub(deployed.channel("agency-removed"))
    found = refused(lambda: stub.Check(health_pb2.HealthCheckRequest()))
    assert found.reason == "ERROR_REASON_UNKNOWN_CALLER"


def reflected(deployed: Deployed) -> set[str]:
    ask = reflection_pb2.ServerReflectionRequest(list_services="")
    replies = list(
        ServerReflectionStub(deployed.channel("agency-police")).ServerReflectionInfo(iter([ask]), timeout=10)
    )
    return {service.name for reply in replies for service in reply.list_services_response.service}


def test_reflection_is_off_unless_asked_for(deployed: Deployed) -> None:
    assert code_of(lambda: reflected(deployed)) is grpc.StatusCode.UNIMPLEMENTED


def test_reflection_names_the_whole_contract_when_asked_for(tmp_path: Path) -> None:
    with Deployed(tmp_path, reflection=True) as made:
        assert reflected(made) >= {f"matcher.v1.{method.service}" for method in METHODS}
