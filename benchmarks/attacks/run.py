"""Runs attacks at several sizes, prints a table, writes all figures."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import click

from benchmarks.attacks import (
    bits,
    dictionary,
    frequency,
    graph,
    hardening,
    known_pairs,
    patterns,
    seeds,
    signatures,
    structure,
)
from benchmarks.attacks.arena import Arena
from benchmarks.attacks.outcome import Outcome
from benchmarks.attacks.world import make_world
from benchmarks.machine import machine
from matcher.scheme import SCHEMES

Attack = Callable[[Arena, int, str], list[Outcome]]
ATTACKS: dict[str, Attack] = {
    "bits": bits.run,
    "patterns": patterns.run,
    "frequency": frequency.run,
    "graph": graph.run,
    "structure": structure.run,
    "seeds": seeds.run,
    "known-pairs": known_pairs.run,
    "signatures": signatures.run,
    "dictionary": dictionary.run,
    "hardening": hardening.run,
}
SCHEME = "uk-person-v1"
_ALL = ((1.0, 0.0),)
_OVERLAPS = ((0.2, 0.0), (0.5, 0.0), (0.8, 0.0), (1.0, 0.0))
_REGISTERS = ((1.0, 0.0), (1.0, 0.2))
SETTINGS = dict.fromkeys(ATTACKS, _ALL) | {
    "graph": _OVERLAPS,
    "frequency": _REGISTERS,
    "seeds": _REGISTERS,
    "signatures": _REGISTERS,
    "hardening": ((1.0, 0.2),),
}
"""For each attack the registers it is run with: overlap, and share of people with an error."""


def run(people: Sequence[int], attacks: Sequence[str], seed: int, json_path: Path | None) -> list[Outcome]:
    """Run, print each outcome when it is there, and write them all; the scheme is the shipped one for the UK."""
    outcomes = []
    _print("attack", "encoding", "people", "setting", "named", "of", "share", "precision", "seconds")
    for count in people:
        for overlap, errors in sorted({setting for attack in attacks for setting in SETTINGS[attack]}):
            arena = Arena(make_world(SCHEMES[SCHEME], count, seed, overlap=overlap, errors=errors))
            described = f"overlap {overlap:.0%}, errors {errors:.0%}"
            for attack in attacks:
                if (overlap, errors) in SETTINGS[attack]:
                    for outcome in ATTACKS[attack](arena, seed, described):
                        _show(outcome)
                        outcomes.append(outcome)
                    _write(outcomes, seed, json_path)
    for counted in sorted({outcome.counted for outcome in outcomes}):
        click.echo(f"share: people rightly named / {counted}")
    return outcomes


def _show(outcome: Outcome) -> None:
    _print(
        outcome.attack, outcome.encoding, str(outcome.people), outcome.setting, str(outcome.correct), str(outcome.of),
        f"{outcome.share:.3%}", f"{outcome.precision:.3f}", f"{outcome.seconds:.1f}",
        " ".join(f"{name}={value:g}" for name, value in outcome.measures.items()),
    )  # fmt: skip


def _print(*cells: str) -> None:
    widths = (24, 15, 8, 74, 8, 8, 9, 10, 8, 0)
    click.echo("".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=False)).rstrip())


def _write(outcomes: Sequence[Outcome], seed: int, json_path: Path | None) -> None:
    if json_path is None:
        return
    figures = {
        "scheme": SCHEME,
        "digest": SCHEMES[SCHEME].digest.hex(),
        "seed": seed,
        "written": time.strftime("%Y-%m-%d"),
        "outcomes": [
            asdict(outcome) | {"share": outcome.share, "precision": outcome.precision} for outcome in outcomes
        ],
        **machine(),
    }
    json_path.parent.mkdir(parents=True, exist_ok=True)
    json_path.write_text(json.dumps(figures, indent=1) + "\n")
