"""Readable people, and everything the matcher makes of them, with the real tokeniser and a model made by hand."""

from dataclasses import dataclass, replace

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from matcher.agency.identity import NormalisedBatch
from matcher.agency.keys import AliasKey, LinkageKeys
from matcher.agency.tokeniser import Tokeniser
from matcher.model import TokenBatch
from matcher.scheme import UK_PERSON_V1
from matcher.scoring.decision import Thresholds
from matcher.scoring.model import MatchModel
from matcher.scoring.scorer import Scorer
from matcher.settings import AgencyInfo

SCHEME = UK_PERSON_V1
EPOCH = 1
KEYS = LinkageKeys(bytes(range(32)), SCHEME, EPOCH)
NEXT_EPOCH = 2
NEXT_KEYS = LinkageKeys(bytes(range(96, 128)), SCHEME, NEXT_EPOCH)
COORDINATOR = X25519PrivateKey.from_private_bytes(bytes(range(32, 64)))
DATABASE_KEY = bytes(range(64, 96))
TODAY = 20_000
"""Day on which tests happen, unless they say otherwise."""
AGENCIES = (
    AgencyInfo("police", "police"),
    AgencyInfo("hospital", "health"),
    AgencyInfo("council", "council"),
    AgencyInfo("housing", "housing"),
)


@dataclass(frozen=True)
class Human:
    """Canonical values, '' where missing."""

    forename: str
    surname: str
    born: str = ""
    """YYYY-MM-DD."""
    sex: str = ""
    postcode: str = ""
    address: str = ""
    nhs_number: str = ""


ANNA = Human("ANNA", "SMITH", "1990-04-12", "F", "LS14AB", "12 HIGH STREET")
BORIS = Human("BORIS", "KOWALCZYK", "1975-11-30", "M", "M139PL", "7 MILL LANE")
CHLOE = Human("CHLOE", "OKONKWO", "2001-07-03", "F", "SE15QQ", "98 STATION ROAD")
VAGUE_ANNA = replace(ANNA, sex="", postcode="", address="")
"""A POSSIBLE_MATCH of `ANNA`."""


@dataclass(frozen=True)
class Sighting:
    """A record: what an agency calls it, whom it is about, and when it was made."""

    ref: str
    human: Human
    day: int = TODAY
    restricted: bool = False
    variants: tuple[Human, ...] = ()


def alias(agency: str, ref: str) -> bytes:
    """The record's alias, 16 bytes."""
    return AliasKey(bytes(32), agency).alias(ref)


def tokens(agency: str, *sightings: Sighting, epoch: int = EPOCH) -> TokenBatch:
    """The batch an agency sends."""
    keys = {EPOCH: KEYS, NEXT_EPOCH: NEXT_KEYS}[epoch]
    rows = [(each, human) for each in sightings for human in (each.human, *each.variants)]
    born = [human.born.split("-") if human.born else ["", "", ""] for _, human in rows]
    batch = NormalisedBatch(
        rows=list(range(len(rows))),
        record_ref=[each.ref for each, _ in rows],
        forename=[human.forename for _, human in rows],
        surname=[human.surname for _, human in rows],
        year=[year for year, _, _ in born],
        month=[month for _, month, _ in born],
        day=[day for _, _, day in born],
        sex=[human.sex for _, human in rows],
        postcode=[human.postcode for _, human in rows],
        address=[human.address for _, human in rows],
        identifier=[human.nhs_number for _, human in rows],
        observed_day=[each.day for each, _ in rows],
        restricted=[each.restricted for each, _ in rows],
        note=["" for _ in rows],
    )
    public = COORDINATOR.public_key().public_bytes_raw()
    return Tokeniser(SCHEME, keys, AliasKey(bytes(32), agency), agency, public).tokenise(batch)


def model() -> MatchModel:
    """A field has +8 bits where equal, -6 from half its bits differing (as strangers' do), and a line between; a rare
    name as much as forename and surname."""
    encoded = [np.interp(np.arange(field.bits + 1), [0, field.bits / 2], [8, -6]) for field in SCHEME.encoded]
    tables = tuple(table.astype(np.float32) for table in (*encoded, np.array([16.0])))
    chance = tuple(np.full(field.bits + 1, 1 / (field.bits + 1), np.float32) for field in SCHEME.fields)
    least = (-8.0,) * len(SCHEME.alternatives)
    return MatchModel(SCHEME, tables, chance, least, (), {"data": "made by hand for tests"})


def scorer() -> Scorer:
    """MATCH from 20 bits, POSSIBLE_MATCH from 0, prior -20: a name and a birth date alone are possible (12 bits)."""
    return Scorer(model(), 1_000_000, Thresholds(match=1 - 1e-6, possible=0.5))
