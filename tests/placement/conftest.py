"""The committed problems, and random small ones as a hypothesis strategy."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st

from harness.placement.inputs.reader import read_problem
from harness.placement.problem import Config, GpuType, Problem
from harness.placement.rates import stage_memory_gb, stage_rates
from harness.placement.stages import Choice, StageTable

# the long form of the proofs: --hypothesis-profile=full
settings.register_profile("full", max_examples=4_000)

FIXTURES = Path(__file__).parents[2] / "fixtures" / "placement"


@pytest.fixture(scope="session")
def medium() -> Problem:
    return read_problem(FIXTURES / "medium")


@pytest.fixture(scope="session")
def tiny() -> Problem:
    return read_problem(FIXTURES / "tiny")


@pytest.fixture(scope="session")
def small() -> Problem:
    return read_problem(FIXTURES / "small")


@pytest.fixture(scope="session")
def large() -> Problem:
    return read_problem(FIXTURES / "large")


@pytest.fixture(scope="session")
def small_problems() -> st.SearchStrategy[Problem]:
    """Up to 3 types, 5 GPUs each, 6 layers; links that never bind."""
    return _small_problems()


@st.composite
def _small_problems(draw: st.DrawFn) -> Problem:
    layers = draw(st.integers(1, 6))
    config = Config(
        model_name="random",
        sequence_length=draw(st.sampled_from([256, 2048])),
        batch_size=draw(st.sampled_from([1, 8])),
        num_decoder_layers=layers,
        d_model=draw(st.sampled_from([512, 4096])),
        layer_weight_memory_gb=draw(st.sampled_from([1.0, 2.5, 4.0])),
        bytes_per_element=2,
        max_pipeline_stages=draw(st.integers(1, 4)),
        min_layers_per_stage=draw(st.integers(1, min(2, layers))),
        min_memory_utilization=draw(st.sampled_from([0.0, 0.3, 0.5])),
    )
    names = draw(st.lists(st.sampled_from(["A100", "T4", "V100"]), min_size=1, max_size=3, unique=True))
    pool = tuple(
        GpuType(name, draw(st.integers(1, 5)), draw(st.integers(2, 16)), draw(st.integers(1, 9)) / 4)
        for name in names
    )
    gpus = sum(gpu.count for gpu in pool)
    return Problem(config, pool, np.full((gpus, gpus), 1e6))


@pytest.fixture(scope="session")
def every_plan():  # type: ignore[no-untyped-def]
    """(tokens/s, USD/h) of every plan, by recursion over stages, sharing no code with the solvers."""
    return _every_plan


def _every_plan(problem: Problem, sizes: tuple[int, ...]) -> Iterator[tuple[float, float]]:
    config, pool = problem.config, problem.pool
    kinds = [
        (index, tp, n, stage_rates(config, gpu, tp)[n], tp * gpu.usd_per_hour)
        for (index, gpu), tp, n in itertools.product(enumerate(pool), (1, 2, 4, 8), sizes)
        if n >= config.min_layers_per_stage
        and stage_memory_gb(config, tp)[n - 1] <= gpu.memory_gb
        and (
            stage_memory_gb(config, tp)[n - 1] >= gpu.memory_gb * config.min_memory_utilization
            or n == config.num_decoder_layers
        )
    ]

    def extend(
        first: int, layers: int, stages: int, free: tuple[int, ...], rate: float, usd: float
    ) -> Iterator[tuple[float, float]]:
        if layers == 0:
            yield rate, usd
            return
        for position in range(first, len(kinds) if stages else 0):
            index, tp, n, own, price = kinds[position]
            if n <= layers and tp <= free[index]:
                left = tuple(count - tp * (i == index) for i, count in enumerate(free))
                yield from extend(position, layers - n, stages - 1, left, min(rate, own), usd + price)

    free = tuple(gpu.count for gpu in pool)
    yield from extend(0, config.num_decoder_layers, config.max_pipeline_stages, free, float("inf"), 0.0)


@pytest.fixture(scope="session")
def small_tables() -> st.SearchStrategy[StageTable]:
    """Up to 3 types, 4 GPUs each, 5 layers, 4 stages; any rates and latencies, with many ties."""
    return _small_tables()


@st.composite
def _small_tables(draw: st.DrawFn) -> StageTable:
    layers = draw(st.integers(1, 5))
    gpus = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    kinds = [(index, tp) for index, count in enumerate(gpus) for tp in (1, 2, 4) if tp <= count]
    size = len(kinds) * layers
    rates = draw(st.lists(st.integers(0, 6), min_size=size, max_size=size))
    latencies = draw(st.lists(st.integers(1, 12), min_size=size, max_size=size))
    table = np.zeros((len(kinds), layers + 1))
    table[:, 1:] = np.reshape(rates, (len(kinds), layers)) * 7.5
    prefill_s = np.full_like(table, np.inf)
    prefill_s[:, 1:] = np.reshape(latencies, (len(kinds), layers)) / 10
    prices = draw(st.lists(st.integers(1, 9), min_size=len(gpus), max_size=len(gpus)))
    return StageTable(
        layers=layers,
        most_stages=draw(st.integers(1, 4)),
        gpus=np.array(gpus),
        usd_per_hour=np.array(prices) / 10,
        type=np.array([index for index, _ in kinds]),
        tp=np.array([tp for _, tp in kinds]),
        tokens_per_s=table,
        prefill_s=np.where(table > 0, prefill_s, np.inf),
    )


@pytest.fixture(scope="session")
def every_choice():  # type: ignore[no-untyped-def]
    """Every multiset of (class, layers) that a table allows, by recursion over stages."""
    return _every_choice


def _every_choice(table: StageTable) -> Iterator[Choice]:
    kinds = [(int(c), int(n)) for c, n in np.argwhere(table.tokens_per_s > 0)]

    def extend(first: int, layers: int, stages: int, free: tuple[int, ...]) -> Iterator[Choice]:
        if layers == 0:
            yield ()
            return
        for position in range(first, len(kinds) if stages else 0):
            kind, n = kinds[position]
            index, tp = int(table.type[kind]), int(table.tp[kind])
            if n <= layers and tp <= free[index]:
                left = tuple(count - tp * (i == index) for i, count in enumerate(free))
                yield from (((kind, n), *rest) for rest in extend(position, layers - n, stages - 1, left))

    yield from extend(0, table.layers, table.most_stages, tuple(table.gpus.tolist()))
