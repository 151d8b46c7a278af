"""Arms: set-up once, fresh input each execution, sync and async timed alike."""

import asyncio
from functools import partial

import pytest

from harness.measure.arms import Arm, ReadyArm
from harness.measure.clocks import stopwatch
from harness.measure.probes import Tally


@pytest.fixture
def loop():
    with asyncio.Runner() as loop:
        yield loop


def ready(arm, loop, each_round=None, tally=None):
    return ReadyArm(arm, each_round, loop, tally or Tally())


async def answer_late(*given):
    await asyncio.sleep(0.02)
    return ("answered", *given)


class Service:
    async def __call__(self):
        return await answer_late()


ASYNC_ARMS = {
    "coroutine function": answer_late,
    "lambda": lambda: answer_late(),
    "partial": partial(answer_late),
    "object": Service(),
}


@pytest.mark.parametrize("run", ASYNC_ARMS.values(), ids=ASYNC_ARMS.keys())
def test_async_arms_are_awaited_inside_the_timed_region(loop, run):
    arm = ready(Arm(run), loop)
    assert arm.first_call() == ("answered",)
    (seconds,), result = arm.execute([stopwatch("wall")], 3)
    assert result == ("answered",)
    assert 0.02 <= seconds < 2  # per call


def test_async_setup_is_awaited_once_and_handed_to_every_call(loop):
    made = []

    async def prepare():
        await asyncio.sleep(0.02)
        made.append("model")
        return "model"

    arm = ready(Arm(answer_late, prepare), loop)
    assert arm.setup_s >= 0.02
    assert [arm.first_call(), arm.execute((), 2)[1]] == [("answered", "model")] * 2
    assert made == ["model"]


def test_setup_is_timed_apart_from_the_calls(loop, world):
    arm = ready(Arm(lambda model: world.pass_time(0.5), lambda: world.pass_time(60)), loop)
    assert arm.setup_s == 60
    assert ready(Arm(lambda: None), loop).setup_s is None


def test_a_setup_that_gives_none_is_still_an_argument(loop):
    given = []
    ready(Arm(lambda *arguments: given.append(arguments), lambda: None), loop).first_call()
    assert given == [(None,)]


@pytest.mark.parametrize("is_async", [False, True])
def test_every_execution_gets_fresh_input_after_the_prepared_one(loop, is_async):
    inputs = iter(range(10))

    async def fresh_later():
        return next(inputs)

    arm = ready(
        Arm(lambda *given: given, lambda: "model"), loop, fresh_later if is_async else inputs.__next__
    )
    assert not arm.is_repeatable
    assert [arm.first_call(), arm.execute((), 1)[1], arm.execute((), 1)[1]] == [
        ("model", 0),
        ("model", 1),
        ("model", 2),
    ]


def test_fresh_input_is_made_outside_the_timed_region(loop):
    log = []

    class LoggedWatch:
        def start(self):
            log.append("start")

        def stop(self):
            log.append("stop")
            return 0.0

    ready(Arm(lambda _: log.append("run")), loop, lambda: log.append("input")).execute([LoggedWatch()], 1)
    assert log == ["input", "start", "run", "stop"]


@pytest.mark.parametrize("is_async", [False, True])
def test_watches_nest_and_answer_per_call_in_their_order(loop, is_async):
    log = []

    class LoggedWatch:
        def __init__(self, name, seconds):
            self.name, self.seconds = name, seconds

        def start(self):
            log.append(f"start {self.name}")

        def stop(self):
            log.append(f"stop {self.name}")
            return self.seconds

    async def run_later():
        log.append("run")

    arm = ready(Arm(run_later if is_async else lambda: log.append("run")), loop)
    seconds, _ = arm.execute([LoggedWatch("a", 4.0), LoggedWatch("b", 8.0)], 2)
    assert seconds == [2.0, 4.0]
    assert log == ["start a", "start b", "run", "run", "stop b", "stop a"]


def test_the_tally_counts_one_execution_without_setup_or_input(loop):
    tally = Tally()

    def count(*_):
        tally.calls += 1

    arm = ready(Arm(count, count), loop, count, tally)
    for _ in range(2):
        arm.execute((), 1)
        assert tally.calls == 1


@pytest.mark.parametrize("stage", ["prepare", "run"])
def test_what_an_arm_raises_comes_out(loop, stage):
    async def fail(*_):
        raise LookupError("of the arm")

    with pytest.raises(LookupError, match="of the arm"):
        ready(Arm(fail) if stage == "run" else Arm(answer_late, fail), loop).execute((), 1)
