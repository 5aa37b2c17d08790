"""PostgreSQL finds the links that ours finds in the same tokens, with the same weights: it does the same job."""

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from benchmarks.default_model import raw_batches
from benchmarks.peers import postgres_peer
from benchmarks.population import generate
from matcher.agency.keys import AliasKey, LinkageKeys
from matcher.agency.normalise import normalise
from matcher.agency.tokeniser import Tokeniser
from matcher.blocking.index import BlockIndex
from matcher.model import TokenBatch
from matcher.scheme import UK_PERSON_V1
from matcher.scoring.decision import Thresholds
from matcher.scoring.model import MatchModel
from matcher.scoring.scorer import Scorer

POPULATION = 3000


def batches() -> list[tuple[int, TokenBatch]]:
    keys = LinkageKeys(bytes(32), UK_PERSON_V1, 1)
    coordinator = X25519PrivateKey.generate().public_key().public_bytes_raw()
    agencies: dict[str, int] = {}
    made = []
    for agency, raw in raw_batches(generate(POPULATION, 7), UK_PERSON_V1, rows=200):
        tokeniser = Tokeniser(UK_PERSON_V1, keys, AliasKey(bytes(32), agency), agency, coordinator)
        tokens = tokeniser.tokenise(normalise(raw, UK_PERSON_V1))
        made.append((agencies.setdefault(agency, len(agencies)), tokens))
    return made


def installed() -> bool:
    try:
        return bool(postgres_peer.program("initdb"))
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not installed(), reason=postgres_peer.INSTALL)
def test_it_finds_the_links_that_ours_finds():
    sent, model = batches(), MatchModel.shipped(UK_PERSON_V1)
    index = BlockIndex(UK_PERSON_V1, cap=1000)
    scorer = Scorer(model, POPULATION, Thresholds())
    ours = {}
    count = 0
    for agency, batch in sent:
        numbers = np.arange(count, count := count + batch.record_count)
        columns = (batch.block_tokens, batch.pass_masks, batch.encodings, batch.field_masks)
        links = scorer.score(index.rows, index.insert(*columns, numbers[batch.row_records], agency))
        ours |= zip(zip(links.left.tolist(), links.right.tolist(), strict=True), links.weight.tolist(), strict=True)
    theirs = postgres_peer.link(sent, model, POPULATION, Thresholds().possible_weight)
    scored = theirs.scored
    found = dict(zip(zip(scored.left.tolist(), scored.right.tolist(), strict=True), scored.score, strict=True))
    assert len(ours) > 500
    assert found.keys() == ours.keys()
    assert max(abs(found[pair] - ours[pair]) for pair in ours) < 0.01


def test_whoever_lacks_it_is_told_what_to_install(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(postgres_peer, "_INSTALLED", "no/such/folder")
    with pytest.raises(FileNotFoundError, match="apt-get install postgresql"):
        postgres_peer.program("initdb")
