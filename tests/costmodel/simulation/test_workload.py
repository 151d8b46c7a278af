from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.costmodel.simulation import (
    AffineStepTime,
    ClosedLoop,
    outcome_of,
    poisson_arrivals,
    poisson_requests,
    requests_of,
    simulate_continuous,
    vllm_rules,
)
from harness.errors import HarnessError


def test_poisson_arrivals_repeat_for_a_seed_and_have_their_rate():
    arrived_s = poisson_arrivals(4.0, 20_000, seed=7)
    np.testing.assert_array_equal(arrived_s, poisson_arrivals(4.0, 20_000, seed=7))
    assert not np.array_equal(arrived_s, poisson_arrivals(4.0, 20_000, seed=8))
    gaps_s = np.diff(arrived_s, prepend=0.0)
    assert (gaps_s > 0).all()
    # five standard errors of the mean and of the standard deviation of an exponential
    assert gaps_s.mean() == pytest.approx(0.25, abs=5 * 0.25 / math.sqrt(20_000))
    assert gaps_s.std() == pytest.approx(0.25, abs=5 * 0.25 * math.sqrt(2 / 20_000))


def test_sizes_of_a_poisson_load():
    requests = poisson_requests(2.0, [10, 20, 30], 5, count=3, seed=1)
    assert requests.prompt_tokens.tolist() == [10, 20, 30]
    assert requests.output_tokens.tolist() == [5, 5, 5]


@given(st.integers(1, 6), st.integers(1, 20), st.sampled_from([0.0, 0.5]))
@settings(max_examples=40, deadline=None)
def test_each_thread_waits_for_its_answer(threads, count, think_s):
    rng = np.random.default_rng(count)
    requests = requests_of(np.zeros(count), rng.integers(1, 40, count), rng.integers(1, 9, count))
    run = simulate_continuous(
        requests,
        vllm_rules(32, 4),
        blocks=100,
        step_time=AffineStepTime(0.25, 1 / 64),
        closed=ClosedLoop(threads, think_s),
    )
    answers = np.sort(run.completed_s)
    sent = np.concatenate([np.zeros(min(threads, count)), answers + think_s])[:count]
    np.testing.assert_array_equal(run.arrived_s, sent)
    for at_s in run.arrived_s:
        there = np.count_nonzero((run.arrived_s <= at_s) & (run.completed_s > at_s))
        assert there <= threads


def test_one_thread_and_no_pause_keep_the_engine_busy():
    run = simulate_continuous(
        requests_of(np.zeros(9), 12, 5),
        vllm_rules(32, 4, prefix_caching=False),
        blocks=100,
        step_time=AffineStepTime(0.5),
        closed=ClosedLoop(1),
    )
    outcome = outcome_of(requests_of(np.zeros(9), 12, 5), run)
    assert outcome.end_s == 9 * 5 * 0.5
    assert outcome.busy_share == 1.0
    assert outcome.mean_running == 1.0


@pytest.mark.parametrize(
    ("load", "message"),
    [
        (lambda: ClosedLoop(0), "0 threads"),
        (lambda: ClosedLoop(2, -1.0), "think time is -1.0"),
        (lambda: ClosedLoop(2, math.nan), "think time is nan"),
        (lambda: poisson_arrivals(0.0, 5, seed=0), "the rate is 0.0"),
        (lambda: poisson_arrivals(math.inf, 5, seed=0), "the rate is inf"),
        (lambda: poisson_arrivals(1.0, 0, seed=0), "0 requests"),
    ],
)
def test_loads_that_are_none(load, message):
    with pytest.raises(HarnessError, match=message):
        load()
