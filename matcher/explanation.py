"""Why records were taken for one person, and which pairs a reviewer is asked about: evidence in bits and bands.

Only about alerted persons and pairs in the reviewer's queue; nothing here finds anybody else.
"""

import hashlib
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from matcher.clustering.persons import REVIEWED
from matcher.clustering.resolve import Pair
from matcher.errors import NotFoundError
from matcher.model import Alert, ConfidenceBand, Disclosure, Evidence, EvidenceBand
from matcher.pipeline import Pipeline
from matcher.scoring.decision import confidence
from matcher.scoring.scorer import Comparison

_NUMBER_BYTES = 8


@dataclass(frozen=True, slots=True)
class ExplainedLink:
    """One link that holds a person together."""

    aliases: tuple[bytes, bytes]
    agencies: tuple[str, str]
    evidence: tuple[Evidence, ...]
    prior: float
    weight: float
    confidence: ConfidenceBand
    reviewed: bool
    rival: str
    """The strongest other explanation."""


@dataclass(frozen=True, slots=True)
class PossibleMatch:
    """A pair in the reviewer's queue."""

    possible_match_id: bytes
    agencies: tuple[str, str]
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class RestrictedPerson:
    """A person that is not told of because a record of it is restricted."""

    person_id: bytes
    members: tuple[Disclosure, ...]
    """Its active records, of two or more agencies."""


class Explainer:
    """Reads a pipeline's memory, under its lock."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        key = hashlib.blake2b(b"possible match", key=pipeline.store.database_id, digest_size=32).digest()
        # one block a name: a keyed permutation, so that a name leads back to its pair and says nothing of it
        self._names = Cipher(AES(key), ECB())  # noqa: S305

    def explain(self, alert: Alert) -> tuple[bytes, list[ExplainedLink]]:
        """The alert's person now, and its links, strongest first, between records that an alert would name now.
        `NotFoundError` unless it is known to two or more."""
        pipeline = self._pipeline
        with pipeline.lock:
            if pipeline.is_told(alert.person_id):
                for member in alert.members:
                    person = pipeline.persons.person_of(member.record)
                    if person is not None and pipeline.person_id(person) == alert.person_id:
                        links = pipeline.persons.links_of(person)
                        active = pipeline.alerting.active(person, pipeline.today)
                        return alert.person_id, [self._link(*link) for link in links if active.issuperset(link[:2])]
        raise NotFoundError("the alert's person is not known to two or more agencies any more")

    def possible_matches(self, after: bytes, limit: int, restricted: bool) -> list[PossibleMatch]:
        """The queue in order of name, after a name (empty: from the start), at most `limit`; pairs with a restricted
        record only if asked for."""
        with self._pipeline.lock:
            pairs = self._pipeline.persons.possible_matches()
            named = sorted((self._name(pair), pair) for pair in pairs if restricted or not self._restricted(pair))
            return [
                PossibleMatch(name, self._agencies(pair), self._evidence(self._pipeline.compare(*pair)))
                for name, pair in [each for each in named if each[0] > after][:limit]
            ]

    def restricted_persons(self, after: bytes, limit: int) -> list[RestrictedPerson]:
        """Persons that would be told of if none of their records were restricted, in order of name, as above."""
        pipeline, found = self._pipeline, []
        with pipeline.lock:
            persons = {pipeline.persons.person_of(record) for record in pipeline.registry.restricted_records()}
            for name, person in sorted((pipeline.person_id(person), person) for person in persons - {None} if person):
                if name > after and (members := pipeline.alerting.unsaid(person, pipeline.today)):
                    found.append(RestrictedPerson(name, tuple(filter(None, pipeline.disclosed(members)))))
                    if len(found) == limit:
                        break
        return found

    def pair(self, possible_match_id: bytes, restricted: bool) -> Pair:
        """The records a name stands for, left < right; `NotFoundError` if it is no name of held records, or one of them
        is restricted and that is not asked for."""
        plain = self._names.decryptor().update(possible_match_id)
        left, right = (int.from_bytes(plain[i : i + _NUMBER_BYTES], "big") for i in (0, _NUMBER_BYTES))
        with self._pipeline.lock:
            registry = self._pipeline.registry
            held = left < right < registry.count and registry.agency(left) >= 0 and registry.agency(right) >= 0
            if not held or (self._restricted((left, right)) and not restricted):
                raise NotFoundError("there is no such possible match")
        return left, right

    def _restricted(self, pair: Pair) -> bool:
        return any(self._pipeline.registry.restricted(record) for record in pair)

    def _name(self, pair: Pair) -> bytes:
        plain = b"".join(record.to_bytes(_NUMBER_BYTES, "big") for record in pair)
        return self._names.encryptor().update(plain)

    def _agencies(self, pair: Pair) -> tuple[str, str]:
        left, right = (self._pipeline.alerting.agency_of(record).name for record in pair)
        return left, right

    def _link(self, left: int, right: int, weight: float) -> ExplainedLink:
        comparison, reviewed = self._pipeline.compare(left, right), weight >= REVIEWED
        registry = self._pipeline.registry
        return ExplainedLink(
            aliases=(registry.alias(left), registry.alias(right)),
            agencies=self._agencies((left, right)),
            evidence=self._evidence(comparison),
            prior=_half(comparison.prior) if comparison else 0.0,
            weight=_half(comparison.total if comparison else 0.0 if reviewed else weight),
            confidence=ConfidenceBand(int(confidence(weight))),
            reviewed=reviewed,
            rival=comparison.rival if comparison else "",
        )

    def _evidence(self, comparison: Comparison | None) -> tuple[Evidence, ...]:
        return tuple(
            Evidence(
                field.name,
                _band(comparison.distances[f], comparison.weights[f]) if comparison else EvidenceBand.MISSING,
                _half(comparison.weights[f]) if comparison else 0.0,
            )
            for f, field in enumerate(self._pipeline.scorer.scheme.fields)
        )


def _band(distance: int, weight: float) -> EvidenceBand:
    if distance < 0:
        return EvidenceBand.MISSING
    if distance == 0:
        return EvidenceBand.AGREE
    return EvidenceBand.SIMILAR if weight > 0 else EvidenceBand.DIFFER


def _half(bits: float) -> float:
    """Rounded to half a bit: enough to explain by, too coarse to rebuild a distance from."""
    return round(2 * bits) / 2
