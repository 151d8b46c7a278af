"""What holds for any queue, any engine: closed forms and laws that need no second simulator."""

from __future__ import annotations

import math

import numpy as np
import pytest
from costmodel.simulation.strategies import (
    SEEDS,
    random_blocks,
    random_closed_loop,
    random_load,
    random_sarathi_rules,
    random_step_time,
    random_vllm_rules,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.costmodel.load import StepLoad, decode_load
from harness.costmodel.simulation import (
    AffineStepTime,
    poisson_requests,
    requests_of,
    simulate_continuous,
    simulate_sequential,
    simulate_static,
    vllm_rules,
)

ROOMY = 10_000
COEFFICIENT = st.integers(0, 64).map(lambda k: k / 4096)
RULES = pytest.mark.parametrize("random_rules", [random_vllm_rules, random_sarathi_rules])
ENGINES = pytest.mark.parametrize("engine", ["vllm", "sarathi", "static", "sequential"])


def random_run(engine, seed):
    rng = np.random.default_rng(seed)
    requests, step_time, closed = random_load(rng), random_step_time(rng), random_closed_loop(rng)
    if engine == "static":
        size = int(rng.integers(1, 6))
        return requests, simulate_static(requests, max_sequences=size, step_time=step_time, closed=closed)
    if engine == "sequential":
        return requests, simulate_sequential(requests, step_time=step_time, closed=closed)
    rules = random_vllm_rules(rng) if engine == "vllm" else random_sarathi_rules(rng)
    blocks = random_blocks(rng, requests, rules)
    return requests, simulate_continuous(requests, rules, blocks=blocks, step_time=step_time, closed=closed)


def union_s(starts, ends):
    """Length of the union of intervals, by sorting them."""
    covered, reached = 0.0, -math.inf
    for start, end in sorted(zip(starts, ends, strict=True)):
        covered += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return covered


@ENGINES
@given(seed=SEEDS)
@settings(max_examples=25, deadline=None)
def test_order_of_every_request(engine, seed):
    requests, run = random_run(engine, seed)
    done = ~run.refused
    assert (run.first_token_s[done] > run.arrived_s[done]).all()
    one = requests.output_tokens == 1
    late = run.completed_s > run.first_token_s
    assert late[done & ~one].all()
    if engine != "static":
        # the peer takes a cut prompt for shorter when it restarts it, so its output is longer
        assert not late[done & one & (run.restarts == 0)].any()


@ENGINES
@given(seed=SEEDS)
@settings(max_examples=25, deadline=None)
def test_never_idle_with_a_request_in_the_house(engine, seed):
    """Work conservation: whoever waits alone fits, so the engine is busy exactly while someone is there."""
    _, run = random_run(engine, seed)
    if run.refused.any():
        return  # one that is refused after a restart was there for a while
    there_s = union_s(run.arrived_s, run.completed_s)
    assert run.totals.busy_s == pytest.approx(there_s, rel=1e-9)


@ENGINES
@given(seed=SEEDS)
@settings(max_examples=25, deadline=None)
def test_little(engine, seed):
    """Little 1961: the mean number there, integrated over time, is arrival rate x mean time there."""
    _, run = random_run(engine, seed)
    came, left = run.arrived_s[~run.refused], run.completed_s[~run.refused]
    if not came.size:
        return
    times = np.sort(np.concatenate([came, left]))
    there = np.searchsorted(np.sort(came), times[:-1], "right") - np.searchsorted(
        np.sort(left), times[:-1], "right"
    )
    period_s = left.max()
    mean_number = float((there * np.diff(times)).sum()) / period_s
    rate, mean_s = came.size / period_s, float((left - came).mean())
    assert mean_number == pytest.approx(rate * mean_s, rel=1e-9)


@RULES
@given(seed=SEEDS)
@settings(max_examples=25, deadline=None)
def test_memory_is_never_given_twice(random_rules, seed):
    rng = np.random.default_rng(seed)
    requests, rules = random_load(rng), random_rules(rng)
    blocks = random_blocks(rng, requests, rules)
    run = simulate_continuous(requests, rules, blocks=blocks, step_time=random_step_time(rng))
    assert 0 <= run.totals.peak_blocks <= blocks
    assert run.totals.block_s <= blocks * run.totals.busy_s * (1 + 1e-12)
    assert run.totals.sequence_s <= rules.max_sequences * run.totals.busy_s * (1 + 1e-12)


@ENGINES
@given(seed=SEEDS)
@settings(max_examples=10, deadline=None)
def test_the_same_seed_gives_the_same_run(engine, seed):
    (_, once), (_, again) = random_run(engine, seed), random_run(engine, seed)
    assert once.totals == again.totals
    for column in ("arrived_s", "first_token_s", "completed_s", "restarts", "cached_tokens"):
        np.testing.assert_array_equal(getattr(once, column), getattr(again, column))


@given(st.integers(1, 200), st.integers(1, 60), st.integers(1, 32), COEFFICIENT, COEFFICIENT, COEFFICIENT)
@settings(max_examples=40, deadline=None)
def test_one_request_alone_is_its_prefill_and_its_decode_steps(
    prompt, output, chunk, constant, token, context
):
    step_time = AffineStepTime(constant, token, context)
    run = simulate_continuous(
        requests_of([3.0], prompt, output), vllm_rules(chunk, 1), blocks=ROOMY, step_time=step_time
    )
    first_s = 3.0
    for before in range(0, prompt, chunk):
        new = min(chunk, prompt - before)
        pairs = new * before + new * (new + 1) // 2
        first_s += step_time.seconds(StepLoad(new, pairs, before + new, 1, 0, 0))
    completed_s = first_s
    for generated in range(1, output):
        completed_s += step_time.seconds(decode_load(1, prompt + generated))
    assert run.first_token_s[0] == first_s  # the coefficients are binary fractions: exact
    assert run.completed_s[0] == completed_s


@given(
    SEEDS, st.tuples(COEFFICIENT, COEFFICIENT, COEFFICIENT), st.tuples(COEFFICIENT, COEFFICIENT, COEFFICIENT)
)
@settings(max_examples=40, deadline=None)
def test_a_step_time_nowhere_smaller_finishes_nothing_earlier_one_at_a_time(seed, coefficients, more):
    requests = random_load(np.random.default_rng(seed))
    slower = [a + b for a, b in zip(coefficients, more, strict=True)]
    fast = simulate_sequential(requests, step_time=AffineStepTime(*coefficients))
    slow = simulate_sequential(requests, step_time=AffineStepTime(*slower))
    assert (slow.completed_s >= fast.completed_s).all()
    assert (slow.first_token_s >= fast.first_token_s).all()


@given(SEEDS, st.integers(0, 50))
@settings(max_examples=40, deadline=None)
def test_memory_from_the_peak_of_an_unbounded_run_on_changes_nothing(seed, more):
    """Below the peak it may: fewer blocks admit later, which may spare a restart."""
    rng = np.random.default_rng(seed)
    requests = random_load(rng)
    rules = vllm_rules(
        int(rng.integers(6, 40)), 6, block_tokens=3, prefix_caching=False, prompt_must_fit=False
    )
    step_time = random_step_time(rng)
    unbounded = simulate_continuous(requests, rules, blocks=ROOMY, step_time=step_time)
    peak = unbounded.totals.peak_blocks
    bounded = simulate_continuous(requests, rules, blocks=peak + more, step_time=step_time)
    assert not unbounded.restarts.any()
    assert not bounded.restarts.any()
    np.testing.assert_array_equal(bounded.completed_s, unbounded.completed_s)


@given(SEEDS)
@settings(max_examples=25, deadline=None)
def test_a_prefix_cache_with_room_computes_no_more_and_every_full_block_once(seed):
    rng = np.random.default_rng(seed)
    requests = random_load(rng)
    run = simulate_continuous(
        requests, vllm_rules(64, 8, block_tokens=4), blocks=ROOMY, step_time=random_step_time(rng)
    )
    asked = int(requests.prompt_tokens.sum() + requests.output_tokens.sum()) - len(requests)
    assert run.totals.computed_tokens == asked - int(run.cached_tokens.sum())
    longest = {}
    for row in range(len(requests)):
        group, prefix = int(requests.prefix_group[row]), int(requests.prefix_tokens[row])
        usable = min(prefix, int(requests.prompt_tokens[row]) - 1) // 4
        assert run.cached_tokens[row] == 4 * min(longest.get(group, 0), usable)
        if group >= 0:
            longest[group] = max(longest.get(group, 0), prefix // 4)


@pytest.mark.parametrize("load", [0.3, 0.7])
def test_the_m_d_1_queue(load):
    """Pollaczek-Khinchine for constant service: mean wait rho / (2 mu (1 - rho)). Batch means, 99.9 %."""
    service_s, batches, count = 0.25, 40, 24_000
    requests = poisson_requests(load / service_s, 5, 1, count, seed=11)
    run = simulate_continuous(
        requests,
        vllm_rules(8, 1, prefix_caching=False),
        blocks=4,
        step_time=AffineStepTime(service_s),
    )
    wait_s = run.completed_s - run.arrived_s - service_s
    means = wait_s[count // 6 :].reshape(batches, -1).mean(axis=1)
    half = stats.t.ppf(0.9995, batches - 1) * means.std(ddof=1) / math.sqrt(batches)
    assert half < 0.2 * means.mean()
    assert means.mean() == pytest.approx(load * service_s / (2.0 * (1.0 - load)), abs=half)
