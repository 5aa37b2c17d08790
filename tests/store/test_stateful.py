"""Random operations leave both stores in the same state and end in the same errors."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from matcher.errors import MatcherError
from matcher.model import AlertKind, Contact, FrameKind, MatchOutcome, Patch
from matcher.store.base import Store
from matcher.store.memory import MemoryStore
from matcher.store.sqlite import SqliteStore

from .build import Everything, alert, answer, closure, links

_AGENCIES = st.sampled_from("ab")
_RECORDS = st.integers(0, 9)
_SMALL = st.lists(_RECORDS, max_size=3)
_CASES = [bytes([letter]) * 16 for letter in b"PQR"]
_NAMED = st.sampled_from(_CASES)
_PAYLOADS = st.binary(min_size=1, max_size=40).map(lambda piece: piece * 150)
_PAIRS = st.tuples(_RECORDS, _RECORDS).map(sorted).filter(lambda pair: pair[0] < pair[1])
_LINKS = st.lists(st.tuples(_PAIRS, st.integers(-9, 9)), max_size=4, unique_by=lambda found: tuple(found[0])).map(
    sorted
)


class Stores(RuleBasedStateMachine):
    """Everything is done to both."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "matcher.db"
        self.memory = MemoryStore()
        self.sqlite = SqliteStore(self.path)

    def teardown(self) -> None:
        self.sqlite.close()
        self.folder.cleanup()

    def both(self, call: Callable[[Store], object]) -> None:
        """Call on both stores; results, or errors, must be equal."""
        said = []
        for store in (self.memory, self.sqlite):
            try:
                said.append((None, call(store)))
            except (MatcherError, ValueError) as error:
                said.append((type(error), str(error)))
        assert said[0] == said[1]

    @rule(
        agency=_AGENCIES,
        feed=_AGENCIES,
        shift=st.sampled_from([0, 0, 0, -1, 1]),
        count=st.integers(0, 3),
        payload=_PAYLOADS,
        backfill=st.booleans(),
    )
    def append(self, agency: str, feed: str, shift: int, count: int, payload: bytes, backfill: bool) -> None:
        offset, now = max(self.memory.next_offset(agency, feed) + shift, 0), self.memory.committed_through
        self.both(lambda store: store.append(agency, feed, offset, count, 7, payload, now, backfill))

    @rule(
        agency=_AGENCIES,
        name=st.sampled_from("rs"),
        kind=st.sampled_from(FrameKind),
        content=st.sampled_from([b"1", b"2"]),
    )
    def submit(self, agency: str, name: str, kind: FrameKind, content: bytes) -> None:
        self.both(lambda store: store.submit(agency, name, kind, 7, b"payload", content, 5))

    @rule(
        data=st.data(),
        step=st.sampled_from([0, 1, 1, 2, 3, -1]),
        new=_LINKS,
        gone=_SMALL,
        unlinked=_SMALL,
        answered=st.lists(st.tuples(_PAIRS, st.booleans()), max_size=2),
        raised=st.lists(st.tuples(_SMALL, _NAMED, st.one_of(st.just(b""), _NAMED)), max_size=2),
        closed=st.lists(st.tuples(_NAMED, _NAMED, st.lists(st.tuples(_RECORDS, _AGENCIES), max_size=2)), max_size=1),
        skip=st.sampled_from([0, 0, 0, 0, 1]),
        met=st.lists(st.builds(Contact, _RECORDS, st.integers(0, 9)), max_size=3),
        since=st.sampled_from([None, None, 3, 7]),
    )
    def match(
        self,
        data: st.DataObject,
        step: int,
        new: list,
        gone: list[int],
        unlinked: list[int],
        answered: list,
        raised: list,
        closed: list,
        skip: int,
        met: list[Contact],
        since: int | None,
    ) -> None:
        through = self.memory.matched_through + step
        frames = st.lists(st.integers(1, max(through, 1)), max_size=2, unique=True)
        last = self.memory.last_sequence + skip
        outcome = MatchOutcome(
            through,
            next_record=step * 3,
            record_numbers={frame: np.array([frame, -1, frame * 2]) for frame in data.draw(frames)},
            links=links(*((*pair, weight / 4) for pair, weight in new)),
            gone=gone,
            unlinked=unlinked,
            patches=[Patch(frame, data.draw(st.integers(0, 160)), b"patch") for frame in data.draw(frames)],
            emptied=data.draw(frames),
            answers=[answer(*pair, same) for pair, same in answered],
            alerts=[
                alert(last + n, *records)._replace(
                    person_id=person_id,
                    kind=AlertKind.MERGED if survivor else AlertKind.ESCALATION,
                    surviving_person_id=survivor,
                )
                for n, (records, person_id, survivor) in enumerate(raised, 1)
            ],
            closures=[closure(case_id, person_id, through, *records) for case_id, person_id, records in closed],
            today=through % 4,
            contacts=met,
            contacts_from=since,
        )
        self.both(lambda store: store.commit_matching(outcome))

    @rule(case_id=_NAMED, person_id=_NAMED, now=st.integers(1, 9))
    def open_case(self, case_id: bytes, person_id: bytes, now: int) -> None:
        self.both(lambda store: store.open_case(case_id, person_id, now))

    @rule(
        case_id=_NAMED,
        decision_id=_AGENCIES,
        sectors=st.sampled_from(["health police", "health police council", "health", ""]),
        day=st.integers(0, 9),
    )
    def decide(self, case_id: bytes, decision_id: str, sectors: str, day: int) -> None:
        present = frozenset(sectors.split())
        self.both(lambda store: store.record_decision(case_id, decision_id, present, day * 86400 + 5))

    @rule(case_id=_NAMED, now=st.integers(1, 9))
    def close_case(self, case_id: bytes, now: int) -> None:
        self.both(lambda store: store.close_case(case_id, 7, b"payload", now))

    @rule(agency=_AGENCIES, record=_RECORDS)
    def confirm(self, agency: str, record: int) -> None:
        self.both(lambda store: store.confirm_removals(agency, [b"notice  " + record.to_bytes(8, "big")]))

    @rule(consumer=_AGENCIES, through=st.integers(0, 6))
    def acknowledge(self, consumer: str, through: int) -> None:
        self.both(lambda store: store.acknowledge(consumer, through))
        self.both(lambda store: store.mark(consumer))

    @rule(consumer=_AGENCIES, sequence=st.integers(-1, 6), parked=st.booleans(), limit=st.integers(0, 3))
    def park(self, consumer: str, sequence: int, parked: bool, limit: int) -> None:
        self.both(lambda store: store.park(consumer, sequence, parked))
        self.both(lambda store: store.parked_after(consumer, sequence, limit))

    @rule(setting=_AGENCIES, value=_AGENCIES)
    def bind(self, setting: str, value: str) -> None:
        self.both(lambda store: store.bind(setting, value))

    @rule(frame_id=st.integers(-1, 5), position=st.integers(-1, 300), size=st.integers(-1, 300))
    def read(self, frame_id: int, position: int, size: int) -> None:
        self.both(lambda store: store.read_payload(frame_id, position, size))

    @rule()
    def reopen(self) -> None:
        self.sqlite.close()
        self.sqlite = SqliteStore(self.path)

    @invariant()
    def same(self) -> None:
        assert Everything.of(self.memory, *_CASES) == Everything.of(self.sqlite, *_CASES)


TestStores = Stores.TestCase
TestStores.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
