"""Makes the certificates of a deployment: one authority, the matcher, and one folder for every configured caller.

A caller is known by the URI name in its certificate, so the names come from the server's configuration. ECDSA P-256
throughout. For a deployment with an authority of its own this module is not needed.
"""

import datetime
import ipaddress
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from matcher.config import HOST_NAME, ServerConfig
from matcher.errors import ConfigError, KeyFileError
from matcher.keyfile import create_file, read_private

_AUTHORITY_DAYS = 3650
_CLOCK_SKEW = datetime.timedelta(minutes=5)


@dataclass(frozen=True, slots=True, repr=False)
class _Authority:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class _Party:
    """One folder to make, and the names its certificate bears."""

    folder: str
    names: tuple[x509.GeneralName, ...]
    usage: x509.ObjectIdentifier


def init_pki(
    config: ServerConfig, folder: Path, *, days: int = 365, hosts: Sequence[str] = ("localhost", "127.0.0.1")
) -> tuple[list[Path], list[Path]]:
    """Make the folders that are not there yet: `authority`, `server`, `agency-NAME` and so on. Those made, and those of
    parties that were there.

    Certificates hold for `days` (1 to 3650); `hosts` are the names and addresses the matcher is reached by. A folder
    that is there stays as it is, so a new agency is one more run; to renew a party, move its folder away first.
    `ConfigError`: a folder that is there does not fit, or an argument is wrong; then nothing was made.
    `KeyFileError`: a file cannot be read or written.
    """
    parties = [_server(hosts), *_callers(config)]
    if not 1 <= days <= _AUTHORITY_DAYS:
        raise ConfigError("days", [f"must be 1 to {_AUTHORITY_DAYS}"])
    authority_folder = folder / "authority"
    made, kept = [], []
    authority = _read_authority(authority_folder) if authority_folder.exists() else None
    problems = [problem for party in parties for problem in _misfits(folder / party.folder, party, authority)]
    if problems:
        raise ConfigError(str(folder), problems)
    if authority is None:
        authority = _new_authority()
        _make_folder(authority_folder, _pem(authority.certificate), {"authority.key": _key_pem(authority.key)})
        made.append(authority_folder)
    for party in parties:
        path = folder / party.folder
        if path.exists():
            kept.append(path)
        else:
            key = ec.generate_private_key(ec.SECP256R1())
            certificate = _issue(authority, key.public_key(), party, days)
            files = {"certificate.pem": _pem(certificate), "key.pem": _key_pem(key)}
            _make_folder(path, _pem(authority.certificate), files)
            made.append(path)
    return made, kept


def names_of(folder: Path) -> list[str]:
    """The names that the certificate in a party's folder bears."""
    certificate = x509.load_pem_x509_certificate((folder / "certificate.pem").read_bytes())
    return [
        str(name.value) for name in certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    ]


def _server(hosts: Sequence[str]) -> _Party:
    names: list[x509.GeneralName] = []
    for host in hosts:
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(host)))
        except ValueError:
            if not HOST_NAME.fullmatch(host):
                raise ConfigError("hosts", ["each must be a host name or an address"]) from None
            names.append(x509.DNSName(host))
    if not names:
        raise ConfigError("hosts", ["there must be at least one"])
    return _Party("server", tuple(names), ExtendedKeyUsageOID.SERVER_AUTH)


def _callers(config: ServerConfig) -> Iterator[_Party]:
    callers = {"agency": config.agencies, "coordinator": config.coordinators, "operator": config.operators}
    for role, parties in callers.items():
        for party in parties:
            name = x509.UniformResourceIdentifier(party.certificate)
            yield _Party(f"{role}-{party.name}", (name,), ExtendedKeyUsageOID.CLIENT_AUTH)


def _misfits(folder: Path, party: _Party, authority: _Authority | None) -> Iterator[str]:
    """Why a folder that is there cannot be left as it is."""
    if not folder.exists():
        return
    if authority is None:
        yield f"{folder}: is there already, without the authority that signed it"
        return
    path = folder / "certificate.pem"
    missing = [name for name in ("certificate.pem", "key.pem", "authority.pem") if not (folder / name).is_file()]
    yield from (f"{folder / name}: is missing" for name in missing)
    if path.name in missing:
        return
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        certificate.verify_directly_issued_by(authority.certificate)
        names = tuple(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except Exception:
        # many kinds of damage raise as many kinds of exception; to the operator they are one
        yield f"{path}: is no certificate of this authority"
        return
    if party.usage == ExtendedKeyUsageOID.CLIENT_AUTH and names != party.names:
        yield f"{path}: bears another name than the configuration gives"


def _read_authority(folder: Path) -> _Authority:
    def wrong(what: str) -> ConfigError:
        return ConfigError(str(folder), [f"{folder}: the authority's {what}"])

    certificate_path, key_path = folder / "authority.pem", folder / "authority.key"
    if not key_path.exists():  # it is best kept elsewhere
        raise wrong("key is not there: put it back for as long as this takes")
    key_data = read_private(key_path)
    try:
        certificate = x509.load_pem_x509_certificate(certificate_path.read_bytes())
        key = load_pem_private_key(key_data, password=None)
    except (OSError, ValueError, TypeError):
        raise wrong("certificate or key is missing or damaged") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or certificate.public_key() != key.public_key():
        raise wrong("certificate and key do not belong together")
    if certificate.not_valid_after_utc <= _now():
        raise wrong("certificate has expired; start anew in another folder")
    return _Authority(certificate, key)


def _new_authority() -> _Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "familiar-faces authority")])
    subject_key = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = (
        _builder(name, name, key.public_key(), _now() + datetime.timedelta(days=_AUTHORITY_DAYS))
        # path length 0: a caller's certificate can never sign another
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(authority=True), critical=True)
        .add_extension(subject_key, critical=False)
    )
    return _Authority(builder.sign(key, SHA256()), key)


def _issue(authority: _Authority, key: ec.EllipticCurvePublicKey, party: _Party, days: int) -> x509.Certificate:
    issuer = authority.certificate
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, party.folder)])
    end = min(_now() + datetime.timedelta(days=days), issuer.not_valid_after_utc)
    issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    return (
        _builder(name, issuer.subject, key, end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([party.usage]), critical=False)
        .add_extension(x509.SubjectAlternativeName(party.names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(issuer_key, critical=False)
        .sign(authority.key, SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, end: datetime.datetime
) -> x509.CertificateBuilder:
    # it begins a little early: the other side's clock may be slow
    return x509.CertificateBuilder(issuer, subject, key, x509.random_serial_number(), _now() - _CLOCK_SKEW, end)


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _make_folder(folder: Path, authority_pem: bytes, files: dict[str, bytes]) -> None:
    """All of a folder or nothing: it is filled under another name and then renamed."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".making-") as name:
            making = Path(name) / folder.name
            making.mkdir(mode=0o700)
            create_file(making / "authority.pem", authority_pem, 0o644)
            for file, data in files.items():
                create_file(making / file, data, 0o644 if file == "certificate.pem" else 0o600)
            making.rename(folder)
    except OSError as error:
        raise KeyFileError(f"{folder}: cannot be made ({error.strerror})") from None


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
