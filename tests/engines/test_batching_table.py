"""The batching table on scripted engines and a scripted clock: what is measured, and what is concluded."""

import math
from contextlib import contextmanager

import pytest

from harness.engines.batching_table import Contender, measure_batching
from harness.engines.protocol import Completion, EngineFailure, Request, Ticket, Timings
from harness.engines.workloads import text_requests
from harness.errors import HarnessError


class World:
    """A clock that engines move: a request takes 1 s by itself, `shared` of it once for all together."""

    def __init__(self) -> None:
        self.now = 0.0
        self.order: list[tuple[str, int]] = []
        self.open: set[str] = set()
        self.prompts: dict[str, list[str]] = {}

    def clock(self) -> float:
        return self.now

    def contender(self, name, batching, shared=0.0, family="f", fails_after=math.inf, **settings):
        @contextmanager
        def start():
            self.open.add(name)
            yield Scripted(self, name, shared, fails_after)
            self.open.remove(name)

        return Contender(family, name, batching, start, **settings)


class Scripted:
    def __init__(self, world, name, shared, fails_after) -> None:
        self.world, self.name, self.shared, self.left = world, name, shared, fails_after

    def submit(self, request: Request) -> Ticket:
        self.left -= 1
        if self.left < 0:
            raise EngineFailure("it died")
        self.world.prompts.setdefault(self.name, []).append(request.prompt)
        self.world.now += 1.0 - self.shared
        made = request.sampling.max_tokens
        ticket = Ticket(request)
        ticket.finish(Completion("", (), 1, made, "length", Timings(0.0, 0.0)))
        return ticket


def requests(count: int, repeat: int):
    return text_requests(count, 8, 10, seed=repeat)


def measure(world, *contenders, **settings):
    return measure_batching(contenders, requests, clock=world.clock, concurrencies=(1, 2, 16), **settings)


def test_every_engine_and_concurrency_has_its_median_over_the_repeats():
    world = World()
    table = measure(world, world.contender("slow", "sequential"), world.contender("fast", "continuous", 0.75))
    speeds = {(row.name, row.concurrency): row.tokens_per_s.median for row in table.rows}
    assert speeds == {("slow", n): 10.0 for n in (1, 2, 16)} | {("fast", n): 40.0 for n in (1, 2, 16)}
    assert all(len(row.samples) == table.repeats == 5 for row in table.rows)
    assert table.missing == {}
    assert world.open == set()


def test_all_engines_get_the_same_prompts_fresh_in_each_repeat():
    world = World()
    measure(world, world.contender("a", "static"), world.contender("b", "static"))
    assert sorted(world.prompts["a"]) == sorted(world.prompts["b"])
    assert len(set(world.prompts["a"])) == 16 * 6


def test_the_gain_is_over_the_best_single_stream_of_the_same_engine():
    world = World()
    table = measure(
        world,
        world.contender("one", "sequential", 0.5),
        world.contender("batches", "static", 0.2),
        world.contender("joined", "continuous", 0.9),
        world.contender("other", "sequential", 0.99, family="another engine"),
    )
    (gain,) = table.gains
    assert (gain.family, gain.name, gain.single) == ("f", "joined", "joined")
    assert gain.ratio.median == pytest.approx(1.0)


def test_one_that_fails_is_listed_and_the_others_go_on():
    world = World()

    @contextmanager
    def absent():
        raise HarnessError("it is not installed", next_step="install it")
        yield

    table = measure(
        world,
        Contender("g", "absent", "static", absent),
        world.contender("dies", "static", fails_after=60),
        world.contender("lives", "static"),
    )
    assert {row.name for row in table.rows} == {"lives"}
    assert table.missing == {"absent": "it is not installed; install it", "dies": "it died"}
    assert world.open == set()


def test_a_request_is_put_the_way_the_engine_takes_it():
    world = World()
    shout = world.contender("loud", "static", ask=lambda it: Request(it.prompt.upper(), it.sampling))
    measure(world, shout)
    assert all(prompt.isupper() for prompt in world.prompts["loud"])


@pytest.mark.parametrize(
    ("names", "repeats", "message"), [("ab", 4, "4 repeats"), ("aa", 5, "one name"), ("ab", 0, "0 repeats")]
)
def test_settings_that_say_nothing_are_refused(names, repeats, message):
    world = World()
    with pytest.raises(HarnessError, match=message):
        measure(world, *(world.contender(name, "static") for name in names), repeats=repeats)
