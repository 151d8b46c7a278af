"""Stopwatches: each sees the work it is for and not the work it is not for."""

import sys
import threading
import time
from types import SimpleNamespace

import pytest

from harness.errors import HarnessError
from harness.measure import clocks
from harness.measure.noise import count_up

STEPS = 300_000


def timed(clock, run):
    watch = clocks.stopwatch(clock)
    watch.start()
    run()
    return watch.stop()


def in_another_thread():
    worker = threading.Thread(target=count_up, args=(STEPS,))
    worker.start()
    worker.join()


def test_waiting_is_seen_by_the_wall_clock_only():
    seen = {clock: timed(clock, lambda: time.sleep(0.05)) for clock in ("thread", "process", "wall")}
    assert seen["wall"] >= 0.05
    assert seen["thread"] < 0.02
    assert seen["process"] < 0.04


def test_other_threads_are_missed_by_the_thread_clock_only():
    own = timed("thread", lambda: count_up(STEPS))
    assert timed("thread", in_another_thread) < own / 3
    assert timed("process", in_another_thread) > own / 3
    assert timed("wall", in_another_thread) > own / 3


def test_a_stopwatch_can_be_used_again():
    watch = clocks.stopwatch("wall")
    for _ in range(2):
        watch.start()
        time.sleep(0.01)
        assert 0.01 <= watch.stop() < 5


class FakeCuda:
    """Events that read a counter, and a log of what was asked."""

    def __init__(self, *, available=True):
        self.log, self.milliseconds, self.available = [], 0.0, available

    def is_available(self):
        return self.available

    def synchronize(self):
        self.log.append("synchronize")

    def Event(self, *, enable_timing):  # noqa: N802
        assert enable_timing
        cuda = self

        class Event:
            def record(self):
                self.at = cuda.milliseconds
                cuda.log.append("record")

            def synchronize(self):
                cuda.log.append("wait for event")

            def elapsed_time(self, end):
                return end.at - self.at

        return Event()


def test_cuda_events_wait_before_and_once_after_and_give_seconds(monkeypatch):
    cuda = FakeCuda()
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))

    def run():
        cuda.milliseconds += 2500

    assert timed("cuda_event", run) == pytest.approx(2.5)
    assert cuda.log == ["synchronize", "record", "record", "wait for event"]


@pytest.mark.parametrize("torch", [None, SimpleNamespace(cuda=FakeCuda(available=False))])
def test_cuda_events_without_a_device_say_what_to_do(monkeypatch, torch):
    monkeypatch.setitem(sys.modules, "torch", torch)
    with pytest.raises(HarnessError, match=r"'cuda_event' needs a CUDA device.*choose thread"):
        clocks.stopwatch("cuda_event")
