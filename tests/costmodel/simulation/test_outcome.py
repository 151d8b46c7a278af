from __future__ import annotations

import math

import numpy as np
import pytest

from harness.costmodel.simulation import (
    AffineStepTime,
    Goodput,
    Limits,
    busy_energy_upper_bound_j,
    goodput_of,
    outcome_of,
    requests_of,
    sarathi_rules,
    simulate_continuous,
    simulate_sequential,
    usd_per_million_output_tokens,
    vllm_rules,
)
from harness.errors import HarnessError

REQUESTS = requests_of([0.0, 0.0, 10.0], 16, [3, 1, 5])


@pytest.fixture
def served():
    """First tokens at 1, 4 and 11 s, the ends at 3, 4 and 15 s."""
    return simulate_sequential(REQUESTS, step_time=AffineStepTime(1.0))


def test_latency_rates_and_use(served):
    outcome = outcome_of(REQUESTS, served)
    assert served.completed_s.tolist() == [3.0, 4.0, 15.0]
    assert outcome.time_to_first_token_s.mean == 2.0
    assert outcome.time_to_first_token_s.p50 == 1.0
    assert outcome.time_to_first_token_s.p90 == pytest.approx(1.0 + 0.8 * 3.0)
    assert outcome.inter_token_latency_s.mean == 1.0
    assert outcome.end_to_end_s.mean == 4.0
    assert (outcome.end_s, outcome.output_tokens) == (15.0, 9)
    assert (outcome.requests_per_s, outcome.output_tokens_per_s) == (3 / 15, 9 / 15)
    assert outcome.busy_share == 9 / 15
    assert outcome.mean_running == 1.0
    assert math.isnan(outcome.kv_utilisation)


def test_one_token_has_no_inter_token_latency():
    requests = requests_of([0.0], 4, 1)
    outcome = outcome_of(requests, simulate_sequential(requests, step_time=AffineStepTime(1.0)))
    assert math.isnan(outcome.inter_token_latency_s.mean)
    assert outcome.end_to_end_s.p99 == 1.0


@pytest.mark.parametrize(
    ("limits", "good"),
    [
        (Limits(), 3),
        (Limits(time_to_first_token_s=1.0), 2),
        (Limits(inter_token_latency_s=0.9), 1),
        (Limits(time_to_first_token_s=1.0, inter_token_latency_s=0.9), 0),
    ],
)
def test_goodput(served, limits, good):
    assert goodput_of(REQUESTS, served, limits) == Goodput(good / 3, good / 15)


def test_a_refused_request_is_no_good_and_counts():
    requests = requests_of([0.0, 0.0], [4, 4000], 2)
    run = simulate_continuous(requests, vllm_rules(64, 4), blocks=10, step_time=AffineStepTime(1.0))
    assert goodput_of(requests, run, Limits()) == Goodput(0.5, 0.5)
    outcome = outcome_of(requests, run)
    assert (outcome.requests, outcome.refused, outcome.output_tokens) == (2, 1, 2)


def test_nothing_answered():
    requests = requests_of([0.0], 4000, 2)
    run = simulate_continuous(requests, vllm_rules(64, 4), blocks=10, step_time=AffineStepTime(1.0))
    outcome = outcome_of(requests, run)
    assert (outcome.refused, outcome.requests_per_s, outcome.end_s) == (1, 0.0, 0.0)
    assert math.isnan(outcome.end_to_end_s.p50)
    assert math.isnan(usd_per_million_output_tokens(outcome, 1.0))
    assert goodput_of(requests, run, Limits()) == Goodput(0.0, 0.0)


def test_use_of_the_memory():
    """Two of 10 blocks from the first step on; a third from the 33rd token: half of it on average."""
    requests = requests_of([0.0], 31, 4)
    rules = sarathi_rules(512, 4, watermark=0.0)
    run = simulate_continuous(requests, rules, blocks=10, step_time=AffineStepTime(1.0))
    outcome = outcome_of(requests, run)
    assert outcome.peak_kv_utilisation == 0.3
    assert outcome.kv_utilisation == pytest.approx((2 * 1 + 2.5 * 3) / 4 / 10)


def test_cost_and_energy(served):
    outcome = outcome_of(REQUESTS, served)
    assert usd_per_million_output_tokens(outcome, 3.6) == pytest.approx(0.001 * 15 / 9 * 1e6)
    assert busy_energy_upper_bound_j(outcome, 70.0) == pytest.approx(70.0 * 9.0)


@pytest.mark.parametrize("wrong", [-1.0, math.nan, math.inf])
def test_a_price_that_is_none(served, wrong):
    with pytest.raises(HarnessError, match="price"):
        usd_per_million_output_tokens(outcome_of(REQUESTS, served), wrong)
    with pytest.raises(HarnessError, match="power limit"):
        busy_energy_upper_bound_j(outcome_of(REQUESTS, served), wrong)


def test_percentiles_are_numpys():
    rng = np.random.default_rng(5)
    requests = requests_of(
        np.sort(rng.uniform(0, 50, 300)), rng.integers(1, 300, 300), rng.integers(1, 60, 300)
    )
    run = simulate_continuous(
        requests, vllm_rules(256, 32), blocks=400, step_time=AffineStepTime(0.01, 1e-4, 1e-6)
    )
    expected = np.percentile(run.completed_s - run.arrived_s, [50, 90, 95, 99])
    found = outcome_of(requests, run).end_to_end_s
    np.testing.assert_allclose([found.p50, found.p90, found.p95, found.p99], expected)
