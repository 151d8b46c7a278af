"""The measuring loop: warm-up, shuffled rounds with the A/A canary, two looks at most, probe rounds."""

from __future__ import annotations

import asyncio
import gc
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import numpy as np

from harness.errors import HarnessError
from harness.measure.arms import Arm, ReadyArm
from harness.measure.clocks import Stopwatch, stopwatch
from harness.measure.outcome import Sample
from harness.measure.probes import Tally, probe
from harness.measure.spec import Clock, Metric

ArmName = Literal["baseline", "optimized", "canary"]
ARMS: tuple[ArmName, ...] = ("baseline", "optimized", "canary")
COMPARISONS_KEPT = 30
MAX_ITERATIONS = 100_000
LONG_SAMPLES = 50
# the fewest rounds whose order statistics hold a median at the confidence of a first look, 99.75 %
SLOW_LOOK_ROUNDS = 10


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how carefully one cell is measured.

    Arms over `slow_arm_s` may use `slow_rounds` to `min_rounds` - 1 rounds; everything else needs
    `min_rounds`. `min_sample_s` is the shortest timed sample: quicker arms are repeated inside it.
    """

    budget_s: float
    seed: int = 0
    confidence: float = 0.99
    min_rounds: int = 30
    max_rounds: int = 1000
    slow_rounds: int = 8
    slow_arm_s: float = 1.0
    min_sample_s: float = 1e-3
    target_half_width: float = 0.015
    probe_rounds: int = 8


@dataclass(slots=True)
class Recording:
    """Everything the rounds produced, before any judgement.

    `values[metric][arm]` has one value per round; `orders[arm]` the arm's position in that round;
    `losses[metric]` one vector of per-example losses per compared round, booleans for errors.
    `confidence` is that of the look the loop ended at; `foreign_cpu_share` the CPU time spent outside
    the measuring thread.
    """

    values: dict[str, dict[ArmName, list[float]]]
    orders: dict[ArmName, list[int]] = field(default_factory=lambda: {arm: [] for arm in ARMS})
    losses: dict[str, list[list[float]]] = field(default_factory=dict)
    probes: dict[str, dict[ArmName, list[float]]] = field(default_factory=dict)
    unavailable: dict[str, str] = field(default_factory=dict)
    setup_s: dict[ArmName, float | None] = field(default_factory=dict)
    call_s: dict[ArmName, float] = field(default_factory=dict)
    iterations: dict[ArmName, int] = field(default_factory=dict)
    foreign_cpu_share: float = 0.0
    rounds: int = 0
    rounds_wanted: int = 0
    confidence: float = 0.99

    def samples(self) -> tuple[Sample, ...]:
        """Tidy samples of all rounds."""
        return tuple(
            Sample(metric, arm, index, self.orders[arm][index], value)
            for metric, arms in self.values.items()
            for arm, values in arms.items()
            for index, value in enumerate(values)
        )


Look = Callable[[Recording, float], bool]


@dataclass(slots=True)
class Pair:
    """Both arms made ready, with the metrics to read and the stopwatches they need."""

    arms: dict[ArmName, ReadyArm]
    metrics: tuple[Metric, ...]
    clocks: tuple[Clock, ...]
    default_clock: Clock
    tally: Tally

    def watches(self) -> list[Stopwatch]:
        return [stopwatch(clock) for clock in self.clocks]


@contextmanager
def ready_pair(
    baseline: Arm,
    optimized: Arm,
    metrics: Sequence[Metric],
    default_clock: Clock,
    each_round: Callable[[], Any] | None = None,
    tally: Tally | None = None,
) -> Iterator[Pair]:
    """Run both arms' set-up; the event loop that async arms share is closed on leaving."""
    tally = tally or Tally()
    with asyncio.Runner() as loop:
        first = ReadyArm(baseline, each_round, loop, tally)
        second = ReadyArm(optimized, each_round, loop, tally)
        clocks = dict.fromkeys(m.clock or default_clock for m in metrics if m.is_timed)
        arms: dict[ArmName, ReadyArm] = {"baseline": first, "optimized": second, "canary": first}
        yield Pair(arms, tuple(metrics), tuple(clocks) or (default_clock,), default_clock, tally)


def record(pair: Pair, plan: Plan, look: Look) -> Recording:
    """Measure a pair within `plan.budget_s` seconds.

    `look(recording, confidence)` says whether the effects are settled at that confidence; it is
    asked once, at half the budget, with a quarter of the error probability (Pocock-style split),
    so that extending the run does not inflate the false-alarm rate.
    """
    began = time.perf_counter()
    recording = Recording({metric.name: {} for metric in pair.metrics if metric.probe is None})
    _warm_up(pair, recording, plan)
    _choose_iterations(pair, recording, plan)
    round_cost = sum(recording.call_s[arm] * recording.iterations[arm] for arm in ARMS)
    left = plan.budget_s - (time.perf_counter() - began)
    planned = _planned_rounds(recording, plan, left, round_cost)
    with _quiet_collector():
        _loop(pair, recording, plan, planned, left, look)
    _probe_rounds(pair, recording, plan)
    return recording


def is_slow(recording: Recording, plan: Plan) -> bool:
    """Whether one call of either arm takes over `slow_arm_s`."""
    return max(recording.call_s.values()) > plan.slow_arm_s


def _warm_up(pair: Pair, recording: Recording, plan: Plan) -> None:
    """Call both arms until caches and lazy set-up are warm, and note what a call costs."""
    for name in ("baseline", "optimized"):
        arm = pair.arms[name]
        arm.first_call()
        calls, began = 0, time.perf_counter()
        while calls == 0 or (calls < 3 and time.perf_counter() - began < plan.budget_s * 0.02):
            arm.execute((), 1)
            calls += 1
        cost = (time.perf_counter() - began) / calls
        recording.call_s[name] = cost if cost >= plan.min_sample_s else _repeated_cost(arm, cost, plan)
        recording.setup_s[name] = arm.setup_s
    recording.call_s["canary"] = recording.call_s["baseline"]


def _repeated_cost(arm: ReadyArm, cost_s: float, plan: Plan) -> float:
    """Seconds per call of a quick arm, repeated: a single call costs mostly the loop around it."""
    if not arm.is_repeatable:
        return cost_s
    calls = min(math.ceil(plan.min_sample_s / max(cost_s, 1e-9)), MAX_ITERATIONS)
    (seconds,), _ = arm.execute([stopwatch("wall")], calls)
    return min(seconds, cost_s)


def _choose_iterations(pair: Pair, recording: Recording, plan: Plan) -> None:
    """Calls per sample: the same for both arms unless that would make the slower arm's samples long."""
    wanted = {name: math.ceil(plan.min_sample_s / max(recording.call_s[name], 1e-9)) for name in ARMS}
    most = max(wanted.values())
    if most * max(recording.call_s.values()) <= LONG_SAMPLES * plan.min_sample_s:
        wanted = dict.fromkeys(ARMS, most)
    repeatable = all(arm.is_repeatable for arm in pair.arms.values())
    counts = any(metric.counter for metric in pair.metrics)
    for name in ARMS:
        recording.iterations[name] = min(wanted[name], MAX_ITERATIONS) if repeatable and not counts else 1


def _planned_rounds(recording: Recording, plan: Plan, left_s: float, round_cost_s: float) -> int:
    """A number fixed before the first round for slow arms; an upper bound for all others."""
    fits = int(left_s / max(round_cost_s, 1e-9))
    if not is_slow(recording, plan):
        recording.rounds_wanted = plan.min_rounds
        return plan.max_rounds if fits >= plan.min_rounds // 2 else 1
    recording.rounds_wanted = plan.slow_rounds
    return min(fits, plan.min_rounds - 1) if fits >= plan.slow_rounds else 1


def _loop(pair: Pair, recording: Recording, plan: Plan, planned: int, left_s: float, look: Look) -> None:
    rng = np.random.default_rng(plan.seed)
    watches = pair.watches()
    alpha = 1.0 - plan.confidence
    slow = is_slow(recording, plan)
    first_look = SLOW_LOOK_ROUNDS if slow else plan.min_rounds
    looked = slow and planned < 2 * first_look
    recording.confidence = plan.confidence if looked else 1.0 - 0.75 * alpha
    began, thread, process = time.perf_counter(), time.thread_time(), time.process_time()
    while recording.rounds < planned:
        _one_round(pair, recording, watches, [ARMS[i] for i in rng.permutation(len(ARMS))])
        gc.collect(0)  # after the round let go of its results: survivors would never be collected
        spent = time.perf_counter() - began
        if not slow and spent + spent / recording.rounds > left_s:
            break
        halfway = (spent >= left_s / 2 and not slow) or recording.rounds >= planned // 2
        if not looked and recording.rounds >= first_look and halfway:
            looked = True
            if look(recording, 1.0 - 0.25 * alpha):
                recording.confidence = 1.0 - 0.25 * alpha
                break
    used = time.process_time() - process
    recording.foreign_cpu_share = max(0.0, 1.0 - (time.thread_time() - thread) / max(used, 1e-9))


def _one_round(pair: Pair, recording: Recording, watches: list[Stopwatch], order: list[ArmName]) -> None:
    results: dict[ArmName, Any] = {}
    for position, name in enumerate(order):
        durations, result = pair.arms[name].execute(watches, recording.iterations[name])
        results[name] = result
        recording.orders[name].append(position)
        seconds = dict(zip(pair.clocks, durations, strict=True))
        for metric in pair.metrics:
            if metric.probe is None and metric.compare is None:
                value = _read(metric, seconds, result, pair)
                recording.values[metric.name].setdefault(name, []).append(value)
    _compare(pair, recording, results)
    recording.rounds += 1


def _read(metric: Metric, seconds: dict[Clock, float], result: Any, pair: Pair) -> float:
    if metric.value is not None:
        return float(metric.value(result))
    if metric.counter is not None:
        return float(getattr(pair.tally, metric.counter))
    duration = seconds[metric.clock or pair.default_clock]
    if metric.work is None:
        return duration
    return float(metric.work(result)) / duration if duration > 0 else math.nan


def _compare(pair: Pair, recording: Recording, results: dict[ArmName, Any]) -> None:
    if recording.rounds >= COMPARISONS_KEPT:
        return
    for metric in pair.metrics:
        if metric.compare is not None:
            loss = np.atleast_1d(np.asarray(metric.compare(results["baseline"], results["optimized"])))
            loss = loss if loss.dtype == bool else loss.astype(float)
            kept = recording.losses.setdefault(metric.name, [])
            if loss.ndim != 1 or loss.size == 0 or (kept and loss.size != len(kept[0])):
                raise HarnessError(
                    f"compare of metric {metric.name!r} gave losses of shape {loss.shape}",
                    allowed="one number, or one per example and equally many in every round",
                )
            kept.append(loss.tolist())


def _probe_rounds(pair: Pair, recording: Recording, plan: Plan) -> None:
    for metric in pair.metrics:
        if metric.probe is None:
            continue
        values: dict[ArmName, list[float]] = {"baseline": [], "optimized": []}
        try:
            for _ in range(3 if is_slow(recording, plan) else plan.probe_rounds):
                for name in values:
                    arm = pair.arms[name]
                    values[name].append(probe(metric.probe, partial(arm.execute, (), 1)))
        except HarnessError as error:
            recording.unavailable[metric.name] = error.message
        else:
            recording.probes[metric.name] = values


@contextmanager
def _quiet_collector() -> Iterator[None]:
    """Keep the cyclic collector out of timed regions; young garbage is collected between rounds."""
    enabled = gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.unfreeze()
        if enabled:
            gc.enable()
