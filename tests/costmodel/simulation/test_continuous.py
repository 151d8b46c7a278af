from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest

from harness.costmodel.simulation import (
    AffineStepTime,
    ClosedLoop,
    requests_of,
    sarathi_rules,
    simulate_continuous,
    vllm_rules,
)
from harness.errors import HarnessError

STEP = AffineStepTime(1.0)


def test_what_can_never_fit_is_refused_and_the_rest_served():
    requests = requests_of([0.0, 0.0, 1.0], [400, 16, 100], [1, 3, 2])
    run = simulate_continuous(requests, vllm_rules(512, 4), blocks=10, step_time=STEP)
    assert run.refused.tolist() == [True, False, False]
    assert math.isnan(run.first_token_s[0])
    assert run.arrived_s.tolist() == [0.0, 0.0, 1.0]
    assert run.completed_s[1:].tolist() == [3.0, 3.0]


def test_an_output_that_outgrows_the_memory_is_refused():
    fits = requests_of([0.0], [100], [61])  # the last token needs no place: 160 in 10 blocks
    too_long = requests_of([0.0], [100], [62])
    assert not simulate_continuous(fits, vllm_rules(512, 4), blocks=10, step_time=STEP).refused.any()
    assert simulate_continuous(too_long, vllm_rules(512, 4), blocks=10, step_time=STEP).refused.all()


def test_a_prompt_beyond_a_whole_step_is_refused_only_without_chunked_prefill():
    requests = requests_of([0.0], [100], [2])
    for chunked in (True, False):
        rules = vllm_rules(64, 4, chunked_prefill=chunked)
        run = simulate_continuous(requests, rules, blocks=100, step_time=STEP)
        assert run.refused.tolist() == [not chunked]
        assert run.totals.steps == (3 if chunked else 0)


def test_a_restart_that_no_longer_fits_under_the_watermark_ends_instead_of_hanging():
    """Alone, it takes all blocks, gives them up, and is then a prompt that the watermark does not admit."""
    requests = requests_of([0.0, 50.0], [30, 8], [25, 2])
    rules = sarathi_rules(64, 4, block_tokens=8, watermark=0.3)
    run = simulate_continuous(requests, rules, blocks=7, step_time=STEP)
    assert run.refused.tolist() == [True, False]
    assert run.restarts.tolist() == [1, 0]
    assert run.first_token_s[0] == 1.0
    assert run.completed_s[1] == 52.0


def test_a_thread_whose_request_is_refused_goes_on():
    requests = requests_of(np.zeros(3), [4, 400, 4], [2, 1, 2])
    run = simulate_continuous(
        requests, vllm_rules(64, 4), blocks=10, step_time=STEP, closed=ClosedLoop(1, think_s=0.5)
    )
    assert run.refused.tolist() == [False, True, False]
    assert run.arrived_s[[0, 2]].tolist() == [0.0, 2.5]
    assert run.completed_s[[0, 2]].tolist() == [2.0, 4.5]


def test_everything_refused():
    run = simulate_continuous(requests_of([0.0, 1.0], 100, 2), vllm_rules(8, 4), blocks=2, step_time=STEP)
    assert run.refused.all()
    assert run.totals.steps == 0


def test_chunks_share_a_step_with_decoding_sequences():
    """Step 1: 8 of a's 8. Step 2: a decodes, 7 of b's 10. Step 3: a decodes, 3 of b's. Then both."""
    requests = requests_of([0.0, 0.5], [8, 10], [5, 2])
    run = simulate_continuous(requests, vllm_rules(8, 4, prefix_caching=False), blocks=9, step_time=STEP)
    assert run.first_token_s.tolist() == [1.0, 3.0]
    assert run.completed_s.tolist() == [5.0, 4.0]
    assert run.totals.steps == 5
    assert run.totals.computed_tokens == 8 + 4 + 10 + 1


def test_without_chunked_prefill_a_prompt_waits_until_it_fits_whole():
    requests = requests_of([0.0, 0.5], [8, 8], [5, 2])
    rules = vllm_rules(8, 4, chunked_prefill=False, prefix_caching=False)
    run = simulate_continuous(requests, rules, blocks=9, step_time=STEP)
    assert run.first_token_s.tolist() == [1.0, 6.0]


def test_the_last_sequence_is_preempted_and_computed_again():
    """Two blocks of 4 each; the older one needs a third: the younger gives up its two and starts over."""
    requests = requests_of([0.0, 0.0], [6, 6], [6, 4])
    rules = vllm_rules(16, 4, block_tokens=4, prefix_caching=False)
    run = simulate_continuous(requests, rules, blocks=4, step_time=STEP)
    assert run.restarts.tolist() == [0, 1]
    assert run.first_token_s.tolist() == [1.0, 1.0]
    # steps 2 and 3 bring both to 3 tokens; in 4 the second waits, until the first ends with step 6
    assert run.completed_s.tolist() == [6.0, 7.0]
    assert run.totals.computed_tokens == (6 + 5) + (6 + 2) + 9


def test_a_shared_prefix_is_computed_once_even_in_the_same_step():
    requests = requests_of([0.0, 0.0], [20, 20], [1, 1], prefix_group=[5, 5], prefix_tokens=[18, 18])
    run = simulate_continuous(requests, vllm_rules(64, 4, block_tokens=4), blocks=20, step_time=STEP)
    assert run.cached_tokens.tolist() == [0, 16]
    assert run.totals.computed_tokens == 20 + 4
    assert run.totals.peak_blocks == 5 + 1


def test_a_cached_prefix_is_lost_when_its_blocks_are_taken():
    requests = requests_of(
        [0.0, 10.0, 20.0, 30.0], [9, 30, 9, 9], 1, prefix_group=[1, -1, 1, 1], prefix_tokens=[8, 0, 8, 8]
    )
    rules = vllm_rules(64, 4, block_tokens=4)
    roomy = simulate_continuous(requests, rules, blocks=20, step_time=STEP)
    tight = simulate_continuous(requests, rules, blocks=8, step_time=STEP)
    assert roomy.cached_tokens.tolist() == [0, 0, 8, 8]
    assert tight.cached_tokens.tolist() == [0, 0, 0, 8]


@pytest.mark.parametrize("wrong_s", [math.nan, -1.0, math.inf])
def test_a_step_time_that_is_no_time(wrong_s):
    class Wrong:
        def seconds(self, load):
            return wrong_s

        def decode_seconds(self, sequences, context_tokens, steps):
            return np.full(steps, wrong_s)

    with pytest.raises(HarnessError, match="step time"):
        simulate_continuous(requests_of([0.0], 4, 4), vllm_rules(8, 2), blocks=9, step_time=Wrong())


def test_memory_is_flat_in_the_length_of_the_trace():
    """Five result columns of 8 bytes and one of arrivals; what is at work at one time does not add up."""
    peak = []
    for count in (300, 1500):
        requests = requests_of(np.arange(count) * 4.0, 20, 6)
        tracemalloc.start()
        simulate_continuous(requests, sarathi_rules(64, 4), blocks=40, step_time=STEP)
        peak.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peak[1] - peak[0] <= 1200 * 6 * 8


def test_an_engine_without_memory():
    with pytest.raises(HarnessError, match="0 KV blocks"):
        simulate_continuous(requests_of([0.0], 4, 4), vllm_rules(8, 2), blocks=0, step_time=STEP)
