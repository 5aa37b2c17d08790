"""The whole job beside others' on the same records: ours, Splink on DuckDB, and PostgreSQL on the same tokens.

Ours takes in agencies' batches one after the other, over TLS and durably, and alerts: `throughput`. Splink links all
records in one go, in clear text and in memory, with and without its training. PostgreSQL takes in the same batches,
each in a durable transaction that finds and stores the links (`peers/postgres_peer.py`). Cleaning and tokenising are
done before any clock starts; seconds are of the clock, on all cores that each makes use of.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from benchmarks import contenders
from benchmarks.datasets import Dataset, population
from benchmarks.default_model import raw_batches
from benchmarks.machine import machine, report
from benchmarks.peers import postgres_peer, records, splink_peer
from benchmarks.peers.scored import Scored
from benchmarks.population import Population, generate
from benchmarks.throughput import measured as throughput
from matcher.agency.keys import AliasKey, LinkageKeys
from matcher.agency.normalise import normalise
from matcher.agency.tokeniser import Tokeniser
from matcher.evaluation import measures
from matcher.model import TokenBatch
from matcher.scheme import UK_PERSON_V1
from matcher.scoring.decision import Thresholds
from matcher.scoring.model import MatchModel


def run(held: int, seed: int, peers: Sequence[str], json_path: Path | None) -> None:
    """Measure, print, and write the figures. `held`: records; `click.ClickException` if a peer is not installed."""
    if "postgres" in peers:
        try:
            postgres_peer.program("initdb")
        except FileNotFoundError as error:
            raise click.ClickException(str(error)) from None
    figures: dict[str, Any] = {"records": held, "seed": seed}
    ours = throughput(held, seed)
    rate = ours["append_and_match_records_per_second"]
    figures["ours"] = {"records_per_second": rate} | {
        name: ours[f"known_to_two_{name}"] for name in ("precision", "recall")
    }
    dataset = population(held, seed, 1.0)
    if "splink" in peers:
        figures["splink"] = _splink(dataset, rate)
    if "postgres" in peers:
        figures["postgres"] = _postgres(generate(held, seed), rate)
    report(figures | machine(), json_path)


def _splink(dataset: Dataset, rate: float) -> dict[str, Any]:
    held = len(dataset.records)
    scored, told = splink_peer.link(records.clean(dataset), households=True, timeout=contenders.TIMEOUT)
    seconds = told["seconds"]
    whole, predicting = sum(seconds.values()), seconds["read"] + seconds["predict"]
    return {
        "seconds": {stage: round(taken, 2) for stage, taken in seconds.items()},
        "records_per_second": round(held / whole),
        "records_per_second_without_training": round(held / predicting),
        "times": round(rate * whole / held, 2),
        "times_without_training": round(rate * predicting / held, 2),
        **_known_to_two(
            scored, splink_peer.DEFAULT, dataset.person.to_numpy(), dataset.records["agency"].to_numpy(str)
        ),
        "versions": told["versions"],
    }


def _postgres(made: Population, rate: float) -> dict[str, Any]:
    thresholds = Thresholds()
    batches, order = _tokens(made)
    held = len(order)
    model = MatchModel.shipped(UK_PERSON_V1)
    linked = postgres_peer.link(batches, model, held, thresholds.possible_weight)
    person, agency = made.records["person"].to_numpy()[order], made.records["agency"].to_numpy(str)[order]
    return {
        "seconds": round(linked.seconds, 2),
        "records_per_second": round(held / linked.seconds),
        "times": round(rate * linked.seconds / held, 2),
        "links": len(linked.scored.score),
        **_known_to_two(linked.scored, thresholds.match_weight, person, agency),
        "versions": {"postgresql": linked.version},
    }


def _tokens(made: Population) -> tuple[list[tuple[int, TokenBatch]], np.ndarray[Any, np.dtype[np.int64]]]:
    """Batches as `throughput` sends them, the agencies' in turn, each with its agency's number; and for each record, as
    they come, its row of the population."""
    keys = LinkageKeys(bytes(32), UK_PERSON_V1, 1)
    coordinator = X25519PrivateKey.generate().public_key().public_bytes_raw()
    rows = {str(agency): list(each) for agency, each in made.records.groupby("agency").indices.items()}
    number = {agency: at for at, agency in enumerate(rows)}
    sent: dict[str, int] = dict.fromkeys(rows, 0)
    found = []
    for agency, raw in raw_batches(made, UK_PERSON_V1):
        tokeniser = Tokeniser(UK_PERSON_V1, keys, AliasKey(bytes(32), agency), agency, coordinator)
        batch = tokeniser.tokenise(normalise(raw, UK_PERSON_V1))
        mine = rows[agency][sent[agency] : sent[agency] + batch.record_count]
        found.append((sent[agency], number[agency], batch, mine))
        sent[agency] += batch.record_count
    found.sort(key=lambda each: each[:2])
    return [(agency, batch) for _, agency, batch, _ in found], np.concatenate([mine for *_, mine in found])


def _known_to_two(
    scored: Scored, threshold: float, person: np.ndarray[Any, Any], agency: np.ndarray[Any, Any]
) -> dict[str, float]:
    """Of persons that are whoever pairs from the threshold join."""
    persons = contenders.persons_at(scored, threshold, len(person))
    quality = measures.known_to_two(persons, person, agency)
    return {name: round(getattr(quality, name), 4) for name in ("precision", "recall")}
