"""Tokens per second of several engines at several concurrencies, in one run: measured, then shown.

All engines stay open. A repeat measures every engine at every concurrency once, in shuffled order, so that
what the machine does meanwhile falls on all of them.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.engines.protocol import Engine, EngineFailure, Request
from harness.engines.workloads import answered, completion_tokens
from harness.errors import HarnessError
from harness.measure.stats import median_bootstrap_interval

Batching = Literal["sequential", "static", "continuous"]
Requests = Callable[[int, int], Sequence[Request]]
"""How many requests, and the number of the repeat -> requests that no engine has seen before."""

CONCURRENCIES = (1, 2, 4, 8, 16, 32)
CONFIDENCE = 0.95
GOAL_AT = 16


@dataclass(frozen=True, slots=True)
class Contender:
    """One engine with one way of batching. `family` is what its best single stream is looked for in.

    `ask` puts a request the way this engine takes it, for the same work.
    """

    family: str
    name: str
    batching: Batching
    start: Callable[[], AbstractContextManager[Engine]]
    ask: Callable[[Request], Request] = lambda request: request


@dataclass(frozen=True, slots=True)
class Estimate:
    """A median over repeats with its bootstrap interval (95 %)."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Throughput:
    """Tokens per second of one contender at one concurrency; `samples` in the order of the repeats."""

    family: str
    name: str
    batching: Batching
    concurrency: int
    samples: tuple[float, ...]
    tokens_per_s: Estimate


@dataclass(frozen=True, slots=True)
class Gain:
    """Continuous batching at `GOAL_AT` requests over `single`, the family's best at one request."""

    family: str
    name: str
    single: str
    ratio: Estimate


@dataclass(frozen=True, slots=True)
class BatchingTable:
    """What was measured, what follows from it, and what did not run, by contender with the reason."""

    rows: tuple[Throughput, ...]
    gains: tuple[Gain, ...]
    missing: Mapping[str, str]
    repeats: int


def measure_batching(
    contenders: Sequence[Contender],
    requests: Requests,
    *,
    concurrencies: Sequence[int] = CONCURRENCIES,
    repeats: int = 5,
    seed: int = 0,
    clock: Callable[[], float] = time.perf_counter,
    tell: Callable[[str], None] = lambda _: None,
) -> BatchingTable:
    """Measure `repeats` times, after an unmeasured pass that warms up.

    A contender that does not start, or fails on the way, is listed with its reason; the others go on. Raises
    HarnessError for less than five repeats (they have no interval) and for two contenders of one name.
    """
    _check(contenders, concurrencies, repeats)
    missing: dict[str, str] = {}
    samples: dict[tuple[str, int], list[float]] = {}
    with ExitStack() as stack:
        engines = dict(_started(contenders, stack, missing, tell))
        ask = {contender.name: contender.ask for contender in contenders}
        r = random.Random(seed)
        for repeat in range(repeats + 1):
            tell(f"repeat {repeat} of {repeats}" if repeat else "warming up")
            cells = [(name, n) for name in engines for n in concurrencies]
            r.shuffle(cells)
            for name, n in cells:
                if name in missing:
                    continue
                asked = [ask[name](request) for request in requests(n, repeat)]
                try:
                    speed = _speed(engines[name], asked, clock)
                except (HarnessError, EngineFailure) as error:
                    missing[name] = str(error)
                    continue
                if repeat:
                    samples.setdefault((name, n), []).append(speed)
    rows = tuple(_rows(contenders, concurrencies, samples, missing, seed))
    return BatchingTable(rows, tuple(_gains(rows, seed)), missing, repeats)


def _check(contenders: Sequence[Contender], concurrencies: Sequence[int], repeats: int) -> None:
    if repeats < 5:
        raise HarnessError(f"{repeats} repeats", where="--repeats", allowed="5 or more")
    if not concurrencies or min(concurrencies) < 1:
        raise HarnessError("a concurrency below 1, or none", allowed="1 or more")
    names = [contender.name for contender in contenders]
    if len(set(names)) < len(names):
        raise HarnessError("two contenders have one name", where=max(names, key=names.count))


def _started(
    contenders: Sequence[Contender], stack: ExitStack, missing: dict[str, str], tell: Callable[[str], None]
) -> Iterator[tuple[str, Engine]]:
    for contender in contenders:
        tell(f"starting {contender.name}")
        try:
            yield contender.name, stack.enter_context(contender.start())
        except (HarnessError, EngineFailure) as error:
            missing[contender.name] = str(error)


def _speed(engine: Engine, requests: Sequence[Request], clock: Callable[[], float]) -> float:
    began = clock()
    tokens = completion_tokens(answered(engine, requests))
    return tokens / (clock() - began)


def _rows(
    contenders: Sequence[Contender],
    concurrencies: Sequence[int],
    samples: Mapping[tuple[str, int], Sequence[float]],
    missing: Mapping[str, str],
    seed: int,
) -> Iterator[Throughput]:
    for contender in contenders:
        if contender.name not in missing:
            for n in concurrencies:
                taken = tuple(samples[contender.name, n])
                yield Throughput(
                    contender.family, contender.name, contender.batching, n, taken, _estimate(taken, seed)
                )


def _gains(rows: Sequence[Throughput], seed: int) -> Iterator[Gain]:
    """Ratios are taken within each repeat, then their median."""
    for row in rows:
        alone = [other for other in rows if other.family == row.family and other.concurrency == 1]
        if row.batching == "continuous" and row.concurrency == GOAL_AT and alone:
            best = max(alone, key=lambda other: other.tokens_per_s.median)
            ratios = [many / one for many, one in zip(row.samples, best.samples, strict=True)]
            yield Gain(row.family, row.name, best.name, _estimate(ratios, seed))


def _estimate(values: Sequence[float], seed: int) -> Estimate:
    low, high = median_bootstrap_interval(values, CONFIDENCE, seed=seed)
    median = float(np.median(values))
    assert math.isfinite(median), "a speed is tokens over a time that passed"
    return Estimate(median, low, high)
