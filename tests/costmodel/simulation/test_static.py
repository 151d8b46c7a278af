from __future__ import annotations

import math

import numpy as np
import pytest
from costmodel.simulation.strategies import SEEDS, BentStepTime, random_load, random_step_time
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.costmodel.load import decode_load, prefill_load
from harness.costmodel.simulation import (
    AffineStepTime,
    ClosedLoop,
    outcome_of,
    requests_of,
    simulate_sequential,
    simulate_static,
)
from harness.costmodel.simulation.static import batch_seconds
from harness.errors import HarnessError

STEP = AffineStepTime(1.0)


def test_a_batch_is_padded_to_its_longest_prompt_and_ends_with_its_longest_output():
    requests = requests_of([0.0, 0.0, 0.0], [10, 4, 8], [3, 5, 2])
    run = simulate_static(requests, max_sequences=2, step_time=STEP)
    assert run.first_token_s.tolist() == [1.0, 1.0, 6.0]
    assert run.completed_s.tolist() == [5.0, 5.0, 7.0]
    assert run.totals.computed_tokens == 2 * (10 + 4) + 8 + 1
    assert run.totals.padding_tokens == 6 + 2
    assert outcome_of(requests, run).padding_share == 8 / 37


def test_padding_is_work():
    step_time = AffineStepTime(0.0, per_token_s=1.0)
    run = simulate_static(requests_of([0.0, 0.0], [10, 1], [1, 3]), max_sequences=2, step_time=step_time)
    assert run.first_token_s.tolist() == [20.0, 20.0]
    assert run.completed_s.tolist() == [24.0, 24.0]


def test_who_comes_during_a_batch_waits_for_its_end():
    requests = requests_of([0.0, 0.5, 1.0, 9.0], 4, 2)
    run = simulate_static(requests, max_sequences=8, step_time=STEP)
    assert run.completed_s.tolist() == [2.0, 4.0, 4.0, 11.0]
    assert run.totals.busy_s == 6.0


def test_threads_send_again_when_the_whole_batch_is_done():
    run = simulate_static(
        requests_of(np.zeros(5), 4, [2, 4, 2, 2, 2]),
        max_sequences=2,
        step_time=STEP,
        closed=ClosedLoop(2, think_s=1.0),
    )
    assert run.arrived_s.tolist() == [0.0, 0.0, 5.0, 5.0, 8.0]
    assert run.completed_s.tolist() == [4.0, 4.0, 7.0, 7.0, 10.0]


@given(seed=SEEDS)
@settings(max_examples=30, deadline=None)
def test_one_at_a_time_is_lindleys_recursion(seed):
    """Lindley 1952: one starts when it has come and the one before it is done."""
    rng = np.random.default_rng(seed)
    requests, step_time = random_load(rng), random_step_time(rng)
    run = simulate_sequential(requests, step_time=step_time)
    free_s = 0.0
    for row in range(len(requests)):
        prompt, output = int(requests.prompt_tokens[row]), int(requests.output_tokens[row])
        free_s = max(free_s, requests.arrived_s[row]) + step_time.seconds(prefill_load(prompt))
        assert run.first_token_s[row] == free_s
        for token in range(1, output):
            free_s += step_time.seconds(decode_load(1, prompt + token))
        assert run.completed_s[row] == free_s
    assert run.totals.padding_tokens == 0


@given(st.integers(1, 8), st.integers(1, 40), st.integers(1, 1200))
@settings(max_examples=20, deadline=None)
def test_a_batch_takes_its_prefill_and_every_decode_step(sequences, prompt, output):
    step_time = BentStepTime(1 / 16, 1 / 32, 1 / 8192)
    prefill_s, decode_s = batch_seconds(step_time, sequences, prompt, output)
    steps = [decode_load(sequences, sequences * (prompt + token)) for token in range(1, output)]
    assert prefill_s == step_time.seconds(prefill_load(prompt, sequences))
    assert decode_s == pytest.approx(math.fsum(map(step_time.seconds, steps)), rel=1e-12)


def test_a_batch_of_nobody():
    with pytest.raises(HarnessError, match="batch of 0"):
        simulate_static(requests_of([0.0], 1, 1), max_sequences=0, step_time=STEP)
