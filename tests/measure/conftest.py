"""A world whose clocks move only when an arm says so: rounds become exactly repeatable."""

from types import SimpleNamespace

import pytest

from harness.measure import arms, rounds


class World:
    """Time spent so far in all, and of it in other threads; `pass_time` moves both."""

    def __init__(self):
        self.now = self.elsewhere = 0.0

    def pass_time(self, seconds, *, elsewhere=0.0):
        self.now += seconds
        self.elsewhere += elsewhere

    def read(self, clock):
        return self.now - self.elsewhere if clock == "thread" else self.now


class Watch:
    def __init__(self, world, clock):
        self.world, self.clock = world, clock

    def start(self):
        self.began = self.world.read(self.clock)

    def stop(self):
        return self.world.read(self.clock) - self.began


@pytest.fixture
def world(monkeypatch):
    world = World()
    clocks = SimpleNamespace(
        perf_counter=lambda: world.read("wall"),
        process_time=lambda: world.read("process"),
        thread_time=lambda: world.read("thread"),
    )
    monkeypatch.setattr(rounds, "time", clocks)
    monkeypatch.setattr(arms, "time", clocks)
    monkeypatch.setattr(rounds, "stopwatch", lambda clock: Watch(world, clock))
    return world
