"""An agency's files beside a matcher of `tests.service.servers`: keys, configuration, CSV."""

import csv
from collections.abc import Sequence
from pathlib import Path

from matcher.agency.keys import ALIAS_KEY_LABEL, LINKAGE_KEY_LABEL
from matcher.coordinator.opening import PRIVATE_KEY_LABEL
from matcher.keyfile import write_public_key, write_secret
from tests.service.servers import (
    COORDINATOR_KEY,
    COORDINATOR_PUBLIC,
    EPOCH,
    LINKAGE_KEY,
    SECTORS,
    Deployed,
    Person,
)

COLUMNS = ("record_ref", "forename", "surname", "dob", "sex", "postcode", "address", "identifier", "note")


def csv_of(path: Path, persons: Sequence[Person], *broken: str) -> Path:
    """A CSV file of persons, with some lines added as they are."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["nhs_number" if name == "identifier" else name for name in COLUMNS])
        writer.writerows([each.get(name, "") for name in COLUMNS] for each in persons)
        file.writelines(line + "\n" for line in broken)
    return path


def agency_config(deployed: Deployed, agency: str, linkage_key: bytes = LINKAGE_KEY, **options: object) -> Path:
    """An agency's configuration file, with the keys `tests.service.servers` tokenises with."""
    folder = deployed.folder
    number = list(SECTORS).index(agency) + 1
    secrets = {
        f"linkage-{linkage_key[:4].hex()}.key": (LINKAGE_KEY_LABEL, linkage_key),
        f"{agency}.alias.key": (ALIAS_KEY_LABEL, bytes([number] * 32)),
        "coordinator.key": (PRIVATE_KEY_LABEL, COORDINATOR_KEY),
    }
    for name, (label, key) in secrets.items():
        if not (folder / name).exists():
            write_secret(folder / name, label, key)
    if not (folder / "coordinator.pub").exists():
        write_public_key(folder / "coordinator.pub", COORDINATOR_PUBLIC)
    settings = {
        "name": agency,
        "matcher": deployed.address,
        "epoch": EPOCH,
        "linkage_key": next(iter(secrets)),
        "alias_key": f"{agency}.alias.key",
        "coordinator_public_key": "coordinator.pub",
    } | options
    path = folder / f"{agency}.toml"
    path.write_text(_toml("agency", settings) + _tls(f"agency-{agency}"))
    return path


def coordinator_config(deployed: Deployed, **options: object) -> Path:
    """The coordinator's configuration file; `agency_config` makes its key."""
    path = deployed.folder / "hub.toml"
    settings = {"name": "hub", "matcher": deployed.address, "private_key": "coordinator.key"} | options
    path.write_text(_toml("coordinator", settings) + _tls("coordinator-hub"))
    return path


def operator_config(deployed: Deployed) -> Path:
    """The operator's configuration file."""
    path = deployed.folder / "ops.toml"
    path.write_text(_toml("operator", {"name": "ops", "matcher": deployed.address}) + _tls("operator-ops"))
    return path


def _toml(table: str, settings: dict[str, object]) -> str:
    lines = (
        f"{name} = {value}" if isinstance(value, int) else f'{name} = "{value}"' for name, value in settings.items()
    )
    return f"[{table}]\n" + "\n".join(lines) + "\n"


def _tls(party: str) -> str:
    return "[tls]\n" + "".join(f'{name} = "pki/{party}/{name}.pem"\n' for name in ("certificate", "key", "authority"))
