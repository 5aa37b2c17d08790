"""A lock given in the order asked for, with a way ahead."""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from matcher.turns import Turns


def wait_in_turn(turns: Turns, asked: list[tuple[str, Callable[[], AbstractContextManager[None]]]]) -> list[str]:
    """Names in the order in which they got it, who asked for it one after the other while it was held."""
    got: list[str] = []

    def ask(name: str, way: Callable[[], AbstractContextManager[None]]) -> None:
        with way():
            got.append(name)

    threads = [threading.Thread(target=ask, args=each) for each in asked]
    with turns:
        for number, thread in enumerate(threads):
            thread.start()
            while turns.waiting <= number:
                time.sleep(0.001)
    for thread in threads:
        thread.join()
    return got


def test_it_is_given_in_the_order_asked_for() -> None:
    turns = Turns()
    assert wait_in_turn(turns, [(name, lambda: turns) for name in "abcde"]) == list("abcde")


def test_who_goes_ahead_is_before_all_others_and_behind_those_ahead() -> None:
    turns = Turns()
    asked = [("a", lambda: turns), ("B", turns.ahead), ("c", lambda: turns), ("D", turns.ahead)]
    assert wait_in_turn(turns, asked) == ["B", "D", "a", "c"]


def test_who_takes_it_again_and_again_keeps_nobody_out() -> None:
    turns = Turns()
    came = threading.Event()

    def ask() -> None:
        with turns:
            came.set()

    thread = threading.Thread(target=ask)
    with turns:
        thread.start()
        while not turns.waiting:
            time.sleep(0.001)
    with turns:  # not before the one who waits
        assert came.is_set()
    thread.join()


@pytest.mark.parametrize("way", ["with", "ahead"])
def test_it_is_given_back_whatever_happens(way: str) -> None:
    turns = Turns()
    with pytest.raises(KeyError), turns if way == "with" else turns.ahead():
        raise KeyError
    with turns:
        assert not turns.waiting


def test_one_at_a_time_holds_it() -> None:
    turns = Turns()
    inside, most = 0, 0

    def take(number: int) -> None:
        nonlocal inside, most
        for each in range(200):
            with turns.ahead() if (number + each) % 3 == 0 else turns:
                inside += 1
                most = max(most, inside)
                time.sleep(0)  # so that another may run
                inside -= 1

    threads = [threading.Thread(target=take, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (inside, most) == (0, 1)


def test_who_lets_others_go_ahead_has_a_turn_after_some() -> None:
    turns = Turns()
    asked = [("a", lambda: turns), *((str(number), turns.ahead) for number in range(20)), ("b", lambda: turns)]
    got = wait_in_turn(turns, asked)
    assert got.index("a") == 8
    assert got.index("b") == 17
    assert [each for each in got if each.isdigit()] == list(map(str, range(20)))


def test_who_is_interrupted_while_waiting_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = Turns()

    class Interrupted:
        """A lock whose second acquisition a signal ends."""

        def __init__(self) -> None:
            self.taken = False

        def acquire(self) -> None:
            if self.taken:
                raise KeyboardInterrupt
            self.taken = True

        def release(self) -> None: ...

    with turns:
        monkeypatch.setattr("matcher.turns.Lock", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            turns.__enter__()
        monkeypatch.undo()
        assert not turns.waiting
    with turns:
        pass
