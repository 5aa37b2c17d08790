"""Many threads use one store: appends from the service, one matching thread, watchers of the alert log."""

import threading
from collections.abc import Callable

import numpy as np

from matcher.model import MatchOutcome, Patch
from matcher.store.base import Store

from .build import alert, member


def test_threads_append_match_and_read_at_once(store: Store) -> None:
    agencies, each = "abcd", 25
    problems: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> threading.Thread:
        def run() -> None:
            try:
                work()
            except BaseException as problem:
                problems.append(problem)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def send(agency: str) -> None:
        for n in range(each):
            store.append(agency, "f", n, 1, 7, agency.encode() * 3000, n)

    def match() -> None:
        done = 0
        while done < len(agencies) * each and not problems:
            for frame in store.frames_after(done, 5):
                done = frame.frame_id
                outcome = MatchOutcome(done, record_numbers={done: np.array([done])}, alerts=[alert(done, done)])
                outcome.gone = [done - 1]
                outcome.patches = [Patch(done, 0, b"-")]
                store.commit_matching(outcome)

    def watch() -> None:
        seen = 0
        while seen < len(agencies) * each and not problems:
            for found in store.alerts_after(seen, 7):
                seen += 1
                assert found.sequence == seen
                assert found.members in ((), (member(seen),))

    for thread in [*(guarded(lambda a=agency: send(a)) for agency in agencies), guarded(match), guarded(watch)]:
        thread.join()
    assert problems == []
    assert [len(list(store.matched_frames())), store.last_sequence] == [100, 100]
    assert all(f.payload == b"-" + f.agency.encode() * 2999 for f in store.frames_after(0, 200))
