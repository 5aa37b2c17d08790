"""Certificates: what a TLS library would check of them, and that a second run spoils nothing."""

import datetime
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from matcher.config import ServerConfig
from matcher.errors import ConfigError, KeyFileError
from matcher.pki import init_pki

SERVER = """
[matcher]
database = "matcher.db"
key_check = "000102030405060708090a0b0c0d0e0f"
[tls]
certificate = "pki/server/certificate.pem"
key = "pki/server/key.pem"
authority = "pki/server/authority.pem"
[[coordinator]]
name = "hub"
certificate = "spiffe://example.org/coordinator/hub"
[[operator]]
name = "ops"
certificate = "spiffe://example.org/operator/ops"
"""
CALLERS = ["agency-police", "agency-st-marys", "coordinator-hub", "operator-ops"]


def config_for(folder: Path, agencies: tuple[str, ...] = ("police", "st-marys")) -> ServerConfig:
    tables = [
        f'[[agency]]\nname = "{name}"\nsector = "police"\ncertificate = "spiffe://example.org/agency/{name}"\n'
        for name in agencies
    ]
    (folder / "matcher.toml").write_text(SERVER + "".join(tables))
    return ServerConfig.load(folder / "matcher.toml", check_files=False)


@pytest.fixture
def pki(tmp_path: Path) -> Path:
    init_pki(config_for(tmp_path), tmp_path / "pki")
    return tmp_path / "pki"


def certificate(folder: Path, name: str = "certificate.pem") -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / name).read_bytes())


def alternative_names(folder: Path) -> list[x509.GeneralName]:
    return list(certificate(folder).extensions.get_extension_for_class(x509.SubjectAlternativeName).value)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_files_and_their_modes(pki: Path) -> None:
    names = {"authority/authority.pem", "authority/authority.key"}
    for party in ["server", *CALLERS]:
        names |= {f"{party}/{name}" for name in ("certificate.pem", "key.pem", "authority.pem")}
    assert contents(pki).keys() == names
    assert not list(pki.glob(".making-*"))
    for name in names:
        secret = name.endswith(("key.pem", ".key"))
        assert (pki / name).stat().st_mode & 0o777 == (0o600 if secret else 0o644)
        assert (b"PRIVATE KEY" in (pki / name).read_bytes()) == secret


@pytest.mark.parametrize("party", CALLERS)
def test_a_caller_is_verified_under_its_configured_name(pki: Path, party: str) -> None:
    policy = PolicyBuilder().store(Store([certificate(pki / party, "authority.pem")]))
    verified = policy.build_client_verifier().verify(certificate(pki / party), [])
    role, _, name = party.partition("-")
    assert verified.subjects == [x509.UniformResourceIdentifier(f"spiffe://example.org/{role}/{name}")]
    # and it cannot pose as the matcher
    with pytest.raises(VerificationError):
        policy.build_server_verifier(x509.DNSName("localhost")).verify(certificate(pki / party), [])


def test_the_matcher_is_verified_under_its_hosts(pki: Path) -> None:
    policy = PolicyBuilder().store(Store([certificate(pki / "agency-police", "authority.pem")]))
    for subject in (x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))):
        policy.build_server_verifier(subject).verify(certificate(pki / "server"), [])
    with pytest.raises(VerificationError):
        policy.build_server_verifier(x509.DNSName("example.org")).verify(certificate(pki / "server"), [])
    with pytest.raises(VerificationError):
        policy.build_client_verifier().verify(certificate(pki / "server"), [])


def test_another_authority_verifies_nothing(pki: Path, tmp_path: Path) -> None:
    init_pki(config_for(tmp_path), tmp_path / "other")
    policy = PolicyBuilder().store(Store([certificate(tmp_path / "other" / "authority", "authority.pem")]))
    with pytest.raises(VerificationError):
        policy.build_client_verifier().verify(certificate(pki / "agency-police"), [])


def test_openssl_takes_both_sides(pki: Path) -> None:
    """A handshake in memory, both sides checking the other."""
    contexts = []
    for protocol, party in ((ssl.PROTOCOL_TLS_SERVER, "server"), (ssl.PROTOCOL_TLS_CLIENT, "agency-police")):
        context = ssl.SSLContext(protocol)
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        context.load_cert_chain(pki / party / "certificate.pem", pki / party / "key.pem")
        context.load_verify_locations(pki / party / "authority.pem")
        contexts.append(context)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = contexts[0].wrap_bio(to_server, to_client, server_side=True)
    client = contexts[1].wrap_bio(to_client, to_server, server_hostname="127.0.0.1")
    waiting = [client, server]
    for _ in range(10):
        for side in list(waiting):
            try:
                side.do_handshake()
                waiting.remove(side)
            except ssl.SSLWantReadError:
                pass
    assert not waiting
    peer = server.getpeercert()
    assert peer is not None
    assert peer["subjectAltName"] == (("URI", "spiffe://example.org/agency/police"),)


def test_keys_are_p256_of_their_own_and_belong_to_their_certificates(pki: Path) -> None:
    seen = set()
    for party in ["server", *CALLERS]:
        key = load_pem_private_key((pki / party / "key.pem").read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        assert isinstance(key.curve, ec.SECP256R1)
        assert key.public_key() == certificate(pki / party).public_key()
        seen.add(key.private_numbers().private_value)
    assert len(seen) == 5


def test_extensions_and_days(tmp_path: Path) -> None:
    folder = tmp_path / "pki"
    init_pki(config_for(tmp_path), folder, days=30, hosts=("matcher.example.org", "10.0.0.1", "::1"))
    assert alternative_names(folder / "server") == [
        x509.DNSName("matcher.example.org"),
        x509.IPAddress(ipaddress.ip_address("10.0.0.1")),
        x509.IPAddress(ipaddress.ip_address("::1")),
    ]
    for party, usage in (
        ("server", ExtendedKeyUsageOID.SERVER_AUTH),
        ("operator-ops", ExtendedKeyUsageOID.CLIENT_AUTH),
    ):
        made = certificate(folder / party)
        assert list(made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [usage]
        assert not made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        left = made.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
        assert datetime.timedelta(days=29, hours=23) < left <= datetime.timedelta(days=30)
    assert certificate(folder / "authority", "authority.pem").not_valid_after_utc > made.not_valid_after_utc


def test_a_second_run_adds_just_the_new_agency(pki: Path, tmp_path: Path) -> None:
    before = contents(pki)
    assert init_pki(config_for(tmp_path), pki) == ([], [pki / each for each in ("server", *CALLERS)])
    assert contents(pki) == before
    assert init_pki(config_for(tmp_path, ("police", "st-marys", "fire")), pki)[0] == [pki / "agency-fire"]
    after = contents(pki)
    assert {name: after[name] for name in before} == before
    certificate(pki / "agency-fire").verify_directly_issued_by(certificate(pki / "authority", "authority.pem"))


def test_a_folder_moved_away_is_made_anew(pki: Path, tmp_path: Path) -> None:
    (pki / "agency-police").rename(pki / "old")
    assert init_pki(config_for(tmp_path), pki)[0] == [pki / "agency-police"]
    assert certificate(pki / "agency-police") != certificate(pki / "old")


def refused(tmp_path: Path, pki: Path) -> str:
    """Refused, with nothing changed or made, though an agency is new; the reason."""
    before = contents(pki)
    with pytest.raises((ConfigError, KeyFileError)) as caught:
        init_pki(config_for(tmp_path, ("police", "st-marys", "fire")), pki)
    assert contents(pki) == before
    assert "PRIVATE" not in str(caught.value)
    return str(caught.value)


def test_what_is_there_and_does_not_fit_is_refused(pki: Path, tmp_path: Path) -> None:
    (pki / "agency-police" / "key.pem").unlink()
    (pki / "server" / "certificate.pem").unlink()
    (pki / "operator-ops" / "certificate.pem").write_text("nothing")
    reason = refused(tmp_path, pki)
    assert f"{pki / 'agency-police' / 'key.pem'}: is missing" in reason
    assert f"{pki / 'server' / 'certificate.pem'}: is missing" in reason
    assert f"{pki / 'operator-ops' / 'certificate.pem'}: is no certificate of this authority" in reason


def test_a_certificate_of_another_name_is_refused(pki: Path, tmp_path: Path) -> None:
    (pki / "agency-police" / "certificate.pem").write_bytes((pki / "agency-st-marys" / "certificate.pem").read_bytes())
    assert "bears another name" in refused(tmp_path, pki)


def test_parties_without_their_authority_are_refused(pki: Path, tmp_path: Path) -> None:
    (pki / "authority").rename(tmp_path / "away")
    assert "without the authority that signed it" in refused(tmp_path, pki)


def test_an_authority_that_cannot_be_used_is_refused(pki: Path, tmp_path: Path) -> None:
    key = pki / "authority" / "authority.key"
    key.chmod(0o640)
    assert "others than its owner" in refused(tmp_path, pki)
    key.chmod(0o600)
    key.write_bytes((pki / "server" / "key.pem").read_bytes())
    assert "do not belong together" in refused(tmp_path, pki)
    key.write_bytes(b"nothing")
    assert "missing or damaged" in refused(tmp_path, pki)
    key.unlink()
    assert "authority's key is not there" in refused(tmp_path, pki)


def test_an_expired_authority_is_refused(pki: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=3651)
    monkeypatch.setattr("matcher.pki._now", lambda: later)
    assert "expired" in refused(tmp_path, pki)


def test_no_certificate_outlives_the_authority(pki: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=3600)
    monkeypatch.setattr("matcher.pki._now", lambda: later)
    init_pki(config_for(tmp_path, ("police", "st-marys", "fire")), pki)
    end = certificate(pki / "authority", "authority.pem").not_valid_after_utc
    assert certificate(pki / "agency-fire").not_valid_after_utc == end


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "pki").touch()
    with pytest.raises(KeyFileError, match="cannot be made"):
        init_pki(config_for(tmp_path), tmp_path / "pki")


@pytest.mark.parametrize(("days", "hosts"), [(0, ("a",)), (3651, ("a",)), (1, ()), (1, ("two words",))])
def test_wrong_arguments_make_nothing(tmp_path: Path, days: int, hosts: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError):
        init_pki(config_for(tmp_path), tmp_path / "pki", days=days, hosts=hosts)
    assert not (tmp_path / "pki").exists()
