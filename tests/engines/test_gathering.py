"""Waiting for the rest of a batch: no longer than it has to."""

import queue
import threading
import time

from harness.engines.gathering import until_quiet


def seconds(inbox: queue.SimpleQueue[int], enough: int) -> float:
    began = time.monotonic()
    until_quiet(inbox, enough)
    return time.monotonic() - began


def test_a_batch_that_is_complete_is_not_waited_for(monkeypatch):
    monkeypatch.setattr("harness.engines.gathering._QUIET_S", 60.0)
    inbox: queue.SimpleQueue[int] = queue.SimpleQueue()
    assert seconds(inbox, 0) < 30
    inbox.put(1)
    threading.Timer(0.05, inbox.put, [2]).start()
    assert 0.04 < seconds(inbox, 2) < 30


def test_without_news_it_gives_up():
    assert 0.005 <= seconds(queue.SimpleQueue(), 8) < 5


def test_each_request_that_comes_starts_the_wait_anew(monkeypatch):
    monkeypatch.setattr("harness.engines.gathering._QUIET_S", 0.5)
    inbox: queue.SimpleQueue[int] = queue.SimpleQueue()
    threading.Timer(0.2, inbox.put, [1]).start()
    assert seconds(inbox, 8) >= 0.7
