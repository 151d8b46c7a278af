"""Engines that are opened for a measurement do not pile up."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from harness.engines.opening import KEPT, close_all, opened


class Log:
    def __init__(self) -> None:
        self.lines: list[str] = []

    @contextmanager
    def engine(self, name: str) -> Iterator[str]:
        self.lines.append(f"open {name}")
        try:
            yield name
        finally:
            self.lines.append(f"close {name}")


@pytest.fixture
def log() -> Iterator[Log]:
    close_all()
    yield Log()
    close_all()


def test_two_stay_open_and_the_oldest_closes_before_the_next_opens(log):
    assert [opened(partial(log.engine, name)) for name in "abc"] == ["a", "b", "c"]
    assert log.lines == ["open a", "open b", "close a", "open c"]
    assert KEPT == 2


def test_one_that_needs_the_card_alone_closes_all_others_first(log):
    for name in "ab":
        opened(partial(log.engine, name))
    opened(partial(log.engine, "c"), kept=1)
    opened(partial(log.engine, "d"))
    assert log.lines == ["open a", "open b", "close a", "close b", "open c", "open d"]


def test_all_close_at_the_end(log):
    for name in "ab":
        opened(partial(log.engine, name))
    close_all()
    assert log.lines[2:] == ["close a", "close b"]


def test_one_that_does_not_open_leaves_nothing_behind(log):
    @contextmanager
    def broken() -> Iterator[str]:
        raise OSError("no room")
        yield ""

    opened(partial(log.engine, "a"))
    with pytest.raises(OSError, match="no room"):
        opened(broken)
    opened(partial(log.engine, "b"))
    assert "close a" not in log.lines
