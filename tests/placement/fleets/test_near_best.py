from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.placement.fleets.fleet_lp import gpus_of
from harness.placement.fleets.near_best import near_best
from harness.placement.fleets.pricing import Worth, profit
from harness.placement.problem import Problem
from harness.placement.stages import Choice, StageTable, stage_table

EveryChoice = Callable[[StageTable], Iterator[Choice]]

WORTHS = st.builds(
    lambda prices, token, most: (np.array(prices) / 10, token / 100, most),
    st.lists(st.integers(0, 9), min_size=3, max_size=3),
    st.integers(0, 9),
    st.sampled_from([5.0, 20.0, 40.0, math.inf]),
)


def worth_for(table: StageTable, drawn: tuple[np.ndarray, float, float]) -> Worth:
    return Worth(drawn[0][: len(table.gpus)], drawn[1], drawn[2])


@settings(max_examples=150, deadline=None)
@given(data=st.data(), drawn=WORTHS, lack=st.integers(0, 20))
def test_every_near_best_pipeline_is_covered(
    small_tables: st.SearchStrategy[StageTable],
    every_choice: EveryChoice,
    data: st.DataObject,
    drawn: tuple[np.ndarray, float, float],
    lack: int,
) -> None:
    table = data.draw(small_tables)
    worth = worth_for(table, drawn)
    choices = [
        (gpus_of(table, choice), min(table.rate(choice), worth.most), profit(table, worth, choice))
        for choice in every_choice(table)
    ]
    least = max((own for _, _, own in choices), default=0.0) - lack / 10 - 1e-6
    found = near_best(table, worth, least, 1000)
    assert found is not None
    for gpus, rate, own in choices:
        if own >= least + 1e-6:
            assert any(
                got >= rate and all(a <= b for a, b in zip(other, gpus, strict=True))
                for other, got in found.items()
            )
    for gpus, rate in found.items():
        assert (gpus, rate) in {(own, fast) for own, fast, _ in choices}
        assert worth.usd_per_token_s * rate - np.dot(gpus, worth.usd_per_hour) >= least - 1e-9


def test_too_many_pipelines(medium: Problem) -> None:
    table = stage_table(medium)
    worth = Worth(table.usd_per_hour, 4e-4, 20_000)
    everything = near_best(table, worth, -3.0, 100_000)
    assert everything is not None
    assert near_best(table, worth, -3.0, len(everything) - 1) is None
    few = near_best(table, worth, -1.0, 100_000)
    assert few is not None
    assert set(few) < set(everything)


def test_nothing_is_near_the_best_of_nothing(medium: Problem) -> None:
    table = stage_table(medium)
    empty = replace(table, tokens_per_s=np.zeros_like(table.tokens_per_s))
    worth = Worth(table.usd_per_hour, 1.0, 1.0)
    assert near_best(empty, worth, -1e9, 10) == {}
