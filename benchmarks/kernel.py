"""How many pairs a second does one core compare: our scoring, anonlink's Dice coefficients, faiss's Hamming distances?

All three get the same strings of 512 bits, what one block holds of a record under `uk-person-v1`, and compare each of
some with each of others, in turns, so that a busy machine slows all. Seconds are of the processor. Ours does all that
matching does with a candidate pair: it follows the block's list, looks for other blocks the two share, and weighs the
distance of one field after the other, until the pair is surely a stranger's or is weighed against every rival. Where
rows have an identifier that is mostly after its 64 bits; most pairs of records do not both have one, so it is measured
without one too. anonlink adds up one coefficient of the whole string
and faiss one distance. In cache means that what is compared fits a core's own; from memory, that it is many times
larger, and that ours follows the list in random order, as rows of one block lie anywhere.
"""

import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import machine, report
from benchmarks.peers import environments
from matcher.model import Rows
from matcher.scheme import UK_PERSON_V1
from matcher.scoring.decision import Thresholds
from matcher.scoring.model import MatchModel
from matcher.scoring.scorer import Scorer

PEERS = ("anonlink", "faiss-cpu")
_POPULATION = 100_000
_BYTES = UK_PERSON_V1.encoding_bytes
_TWINS = 10
"""One string in so many that are asked for is one that is held, with one bit in 32 changed, of the identifier none; the
others are strangers."""
_ENCODED = (1 << len(UK_PERSON_V1.encoded)) - 1
_WITHOUT_IDENTIFIER = _ENCODED >> 1
"""It is the last field."""


def run(cached: int, held: int, pairs: int, repeats: int, seed: int, json_path: Path | None) -> None:
    """Measure, print, and write the figures. `cached`, `held`: strings compared with, in cache and from memory;
    `pairs`: compared in a repeat, about."""
    settings_of = {
        "in_cache": (cached, _ENCODED),
        "in_cache_without_identifier": (cached, _WITHOUT_IDENTIFIER),
        "from_memory": (held, _ENCODED),
    }
    figures = {
        name: _measured(count, max(pairs // count, 1), mask, repeats, seed)
        for name, (count, mask) in settings_of.items()
    }
    settings = {"scheme": UK_PERSON_V1.name, "bits": 8 * _BYTES, "repeats": repeats, "seed": seed}
    report(settings | figures | machine(), json_path)


def strings(held: int, asked: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Strings held and asked for, (n, bytes) each: as encodings under one block are."""
    generator = np.random.default_rng(seed)
    there, wanted = (generator.integers(0, 256, (count, _BYTES), np.uint8) for count in (held, asked))
    twins = slice(0, None, _TWINS)
    changed = np.packbits(generator.random((len(wanted[twins]), 8 * _BYTES)) < 1 / 32, axis=1)
    changed[:, -UK_PERSON_V1.encoded[-1].bits // 8 :] = 0  # which would rule the pair out
    wanted[twins] = there[generator.integers(0, held, len(changed))] ^ changed
    return there, wanted


def rows_of(held: NDArray[np.uint8], asked: NDArray[np.uint8], seed: int, mask: int = _ENCODED) -> Rows:
    """Rows that all stand in one block, of the first pass, and each alone in its other blocks: those held of one
    agency, and behind them those asked for, of another. `mask`: the fields that all have."""
    passes, first, count = len(UK_PERSON_V1.passes), len(held), len(held) + len(asked)
    blocks = np.arange(count * passes, dtype=np.int32).reshape(count, passes)
    blocks[:, 0] = 0
    following = np.full((passes, count), -1, np.int32)
    order = np.random.default_rng(seed).permutation(first)
    following[0, order[1:]] = order[:-1]
    following[0, first:] = order[-1]
    encodings = np.zeros((count, passes, _BYTES // 4), np.uint32)
    encodings[:first, 0], encodings[first:, 0] = held.view("<u4"), asked.view("<u4")
    origins = np.zeros(count, np.int32)
    origins[first:] = 1
    return Rows(blocks, following, encodings, np.full(count, mask, np.uint16), np.arange(count), origins)


def _measured(held: int, asked: int, mask: int, repeats: int, seed: int) -> dict[str, Any]:
    there, wanted = strings(held, asked, seed)
    rows = rows_of(there, wanted, seed, mask)
    scorer = Scorer(MatchModel.shipped(UK_PERSON_V1), _POPULATION, Thresholds())
    _seconds(scorer, rows, range(held, held + 1))  # compiled before the clock starts
    seconds: dict[str, list[float]] = {name: [] for name in ("ours", *PEERS)}
    versions: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="kernel-") as made:
        paths = [Path(made) / name for name in ("held.npy", "asked.npy")]
        for path, each in zip(paths, (there, wanted), strict=True):
            np.save(path, each)
        with environments.Child("clk", "kernel_child.py", *paths) as child:
            for _ in range(repeats):
                seconds["ours"].append(_seconds(scorer, rows, range(held, held + asked)))
                for name in PEERS:
                    answer = child.ask(name)
                    seconds[name].append(answer["seconds"])
                    versions |= answer["versions"]
    figures: dict[str, Any] = {"held": held, "asked": asked}
    for name, taken in seconds.items():
        figures[f"{name}_million_pairs_per_second"] = round(held * asked / median(taken) / 1e6, 1)
    for name in PEERS:
        ratios = [theirs / ours for ours, theirs in zip(seconds["ours"], seconds[name], strict=True)]
        figures[f"times_{name}"] = round(median(ratios), 3)
        figures[f"times_{name}_least_and_most"] = [round(min(ratios), 3), round(max(ratios), 3)]
    return figures | {"peers": versions}


def _seconds(scorer: Scorer, rows: Rows, new: range) -> float:
    """Processor time to compare new rows with all held."""
    before, expected = scorer.compared, len(new) * (len(rows.origins) - int(rows.origins.sum()))
    started = time.process_time()
    scorer.score(rows, new)
    seconds = time.process_time() - started
    if scorer.compared - before != expected:
        raise RuntimeError("a pair was left out")
    return seconds
