"""The fast engine is the slow one: same times, same restarts, same cache, whatever the load and the rules."""

from __future__ import annotations

import numpy as np
import pytest
from costmodel.simulation.reference_engine import ReferenceEngine
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

from harness.costmodel.simulation import AffineStepTime, requests_of, sarathi_rules, simulate_continuous


def assert_equal_runs(requests, rules, blocks, step_time, closed):
    fast = simulate_continuous(requests, rules, blocks=blocks, step_time=step_time, closed=closed)
    slow = ReferenceEngine(requests, rules, blocks, step_time, closed).run()
    assert fast.restarts.tolist() == [one.restarts for one in slow.all]
    assert fast.cached_tokens.tolist() == [one.cached_tokens for one in slow.all]
    np.testing.assert_allclose(fast.completed_s, [one.completed_s for one in slow.all], rtol=1e-9)
    np.testing.assert_allclose(fast.first_token_s, [one.first_s for one in slow.all], rtol=1e-9)
    assert fast.totals.steps == slow.steps
    assert fast.totals.computed_tokens == slow.computed_tokens
    assert fast.totals.peak_blocks == slow.peak_blocks <= blocks
    assert fast.totals.busy_s == pytest.approx(slow.busy_s, rel=1e-9)
    assert fast.totals.sequence_s == pytest.approx(slow.sequence_s, rel=1e-9)
    # within a leap blocks count as growing evenly: off by less than one block of each sequence
    assert abs(fast.totals.block_s - slow.block_s) <= slow.sequence_s + 1e-9


@pytest.mark.parametrize("random_rules", [random_vllm_rules, random_sarathi_rules])
@given(seed=SEEDS)
@settings(max_examples=60, deadline=None)
def test_every_time_and_count_agrees_under_tight_memory(random_rules, seed):
    rng = np.random.default_rng(seed)
    requests, rules = random_load(rng), random_rules(rng)
    blocks = random_blocks(rng, requests, rules)
    assert_equal_runs(requests, rules, blocks, random_step_time(rng), random_closed_loop(rng))


def test_the_random_cases_do_restart_and_do_hit_the_cache():
    kinds = set()
    for seed in range(30):
        rng = np.random.default_rng(seed)
        requests, rules = random_load(rng), random_vllm_rules(rng)
        blocks = random_blocks(rng, requests, rules)
        run = simulate_continuous(requests, rules, blocks=blocks, step_time=random_step_time(rng))
        kinds |= {("restarts", bool(run.restarts.any())), ("cached", bool(run.cached_tokens.any()))}
        kinds.add(("refused", bool(run.refused.any())))
    assert kinds == {(name, seen) for name in ("restarts", "cached", "refused") for seen in (False, True)}


def test_a_last_block_taken_without_one_to_spare():
    """All blocks taken and none free for the next step, though no sequence needs one: the peer restarts."""
    rules = sarathi_rules(16, 4, block_tokens=4, watermark=0.0)
    restarts = 0
    for output in range(2, 12):
        requests = requests_of([0.0, 0.0, 0.0], [7, 7, 7], [output, 12, 12])
        for blocks in range(5, 16):
            assert_equal_runs(requests, rules, blocks, AffineStepTime(1 / 64), None)
            run = simulate_continuous(requests, rules, blocks=blocks, step_time=AffineStepTime(1 / 64))
            restarts += int(run.restarts.sum())
    assert restarts > 0
