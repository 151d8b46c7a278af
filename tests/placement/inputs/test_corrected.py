from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from harness.placement.exact.cheapest import cheapest_plan
from harness.placement.inputs.corrected import (
    CORRECTED_RATES,
    corrected_problem,
    decode_step_s,
    prompt_s,
    stage_memory_gb,
)
from harness.placement.plan import verify_plan
from harness.placement.problem import Config, GpuSpec, GpuType, Problem
from harness.placement.rates import GIB
from harness.placement.segments import CORRECTED
from harness.placement.stages import stage_table

WEIGHTS = 2 * 8192 * 8192 + 2 * 8192 * 1024 + 3 * 8192 * 28672  # one layer of llama-70b

GPU = GpuType("card", 8, 48, 1.0, GpuSpec(100, 1000, 0.5))


@st.composite
def configs(draw: st.DrawFn) -> Config:
    """Models of 1 to 30 layers; keys and values have 8 heads or more, so that every TP degree splits them."""
    heads = draw(st.sampled_from([8, 16, 32]))
    return Config(
        model_name="random",
        sequence_length=draw(st.integers(1, 8192)),
        batch_size=draw(st.integers(1, 256)),
        num_decoder_layers=draw(st.integers(1, 30)),
        d_model=heads * draw(st.sampled_from([64, 128])),
        layer_weight_memory_gb=1.0,
        bytes_per_element=draw(st.sampled_from([1, 2])),
        d_hidden=draw(st.integers(64, 20000)),
        num_attention_heads=heads,
        num_key_value_heads=draw(st.sampled_from([8, heads])),
        vocab_size=draw(st.integers(0, 200_000)),
        output_length=draw(st.integers(0, 4096)),
        min_memory_utilization=draw(st.sampled_from([0.0, 0.5])),
    )


@pytest.fixture(scope="module")
def real(medium: Problem) -> Problem:
    return corrected_problem(medium)


def test_the_model_as_it_is(medium: Problem, real: Problem) -> None:
    config = real.config
    assert (config.num_decoder_layers, config.d_hidden, config.num_key_value_heads) == (80, 28672, 8)
    assert config.layer_weight_memory_gb == WEIGHTS * 2 / GIB == 1.59375
    assert real.pool == medium.pool
    assert real.bandwidth_gb_per_s is medium.bandwidth_gb_per_s
    assert (config.min_layers_per_stage, config.min_memory_utilization) == (5, 0.5)
    assert corrected_problem(real).config == config


def test_no_stage_must_be_larger_than_the_real_model(medium: Problem) -> None:
    config = replace(medium.config, model_name="qwen2.5-7b", min_layers_per_stage=40)
    assert corrected_problem(replace(medium, config=config)).config.min_layers_per_stage == 28


def test_prefill_by_hand(real: Problem) -> None:
    # 312 TFLOPS at 60 %; the causal half of 4 * 4096^2 * 8192 operations for attention.
    operations = 4096 * 2 * WEIGHTS + 2 * 4096**2 * 8192
    assert prompt_s(real.config, real.pool[0], 1) == pytest.approx(operations / 187.2e12, rel=1e-12)
    assert prompt_s(real.config, real.pool[0], 4) == pytest.approx(
        operations / (4 * 187.2e12 * 0.8), rel=1e-12
    )


def test_prefill_of_a_short_prompt_waits_for_the_weights(real: Problem) -> None:
    config = replace(real.config, sequence_length=1)
    moved = (WEIGHTS + 2 * 1024) * 2
    assert prompt_s(config, real.pool[0], 1) == pytest.approx(moved / 2039e9, rel=1e-12)


def test_decode_by_hand(real: Problem) -> None:
    # Weights once, and 32 caches of 4096 + 128 tokens with 1024 keys and 1024 values each.
    moved = (WEIGHTS + 32 * 4224 * 2048) * 2
    assert decode_step_s(real.config, real.pool[0], 1) == pytest.approx(moved / 2039e9, rel=1e-12)
    assert decode_step_s(real.config, real.pool[0], 8) == pytest.approx(moved / 8 / 2039e9 / 0.7, rel=1e-12)


def test_decode_of_a_large_batch_waits_for_the_operations(real: Problem) -> None:
    config = replace(real.config, batch_size=4096, sequence_length=1, output_length=2)
    operations = 4096 * (2 * WEIGHTS + 4 * 2 * 8192)
    assert decode_step_s(config, real.pool[0], 1) == pytest.approx(operations / 187.2e12, rel=1e-12)


def test_tokens_per_s_by_hand(real: Problem) -> None:
    a100 = real.pool[0]
    batch_s = 32 * prompt_s(real.config, a100, 2) + 256 * decode_step_s(real.config, a100, 2)
    rates = CORRECTED_RATES.tokens_per_s(real.config, a100, 2)
    assert rates.shape == (81,)
    assert rates[0] == 0
    assert rates[30] == pytest.approx(32 * (4096 + 256) / (30 * batch_s), rel=1e-12)
    prefill = CORRECTED_RATES.prefill_s(real.config, a100, 2)
    assert prefill[30] == pytest.approx(30 * prompt_s(real.config, a100, 2), rel=1e-12)
    assert np.isinf(prefill[0])


def test_memory_by_hand(real: Problem) -> None:
    # 30 layers on 2 GPUs; working set 4096 tokens of 2 * 8192 and 2 * 28672 / 2; one table of 32000 * 8192.
    cache = 30 * 32 * (4096 + 256) * 2 * 1024 / 2
    working = 4096 * (2 * 8192 + 2 * 28672 / 2)
    elements = 30 * WEIGHTS / 2 + cache + working + 32000 * 8192 / 2
    memory = stage_memory_gb(real.config, 2)
    assert memory.shape == (80,)
    assert memory[29] == pytest.approx(elements * 2 / GIB, rel=1e-12)
    both_tables = memory[79] - memory[78] - (memory[29] - memory[28])
    assert both_tables == pytest.approx(32000 * 8192 / 2 * 2 / GIB, rel=1e-9)


def test_a_batch_larger_than_its_prompts_is_what_lives(real: Problem) -> None:
    """A decode step takes the whole batch: 64 tokens at once, against 16 of one prompt."""
    config = replace(real.config, sequence_length=16, batch_size=64)
    cache = 64 * (16 + 256) * 2 * 1024
    elements = WEIGHTS + cache + 64 * (2 * 8192 + 2 * 28672) + 32000 * 8192
    assert stage_memory_gb(config, 1)[0] == pytest.approx(elements * 2 / GIB, rel=1e-12)


def test_a_degree_that_does_not_divide_the_heads_serves_nothing(medium: Problem) -> None:
    config = replace(medium.config, model_name="qwen2.5-7b")  # 28 heads
    problem = corrected_problem(replace(medium, config=config))
    a100 = problem.pool[0]
    assert CORRECTED_RATES.layer_range(problem.config, a100, 8) == (1, 0)
    assert not CORRECTED_RATES.tokens_per_s(problem.config, a100, 8).any()
    assert np.isinf(CORRECTED_RATES.prefill_s(problem.config, a100, 8)).all()
    assert CORRECTED_RATES.tokens_per_s(problem.config, a100, 4)[1] > 0


def test_a_plan_of_the_real_model(real: Problem) -> None:
    table = stage_table(real, rates=CORRECTED_RATES)
    plan = cheapest_plan(real, table, 3000).require()
    assert verify_plan(plan, real, CORRECTED, CORRECTED_RATES) == ()
    assert plan.tokens_per_s >= 3000


def test_nothing_fits_beside_too_large_a_batch(real: Problem) -> None:
    problem = replace(real, config=replace(real.config, batch_size=100_000))
    assert not len(stage_table(problem, rates=CORRECTED_RATES).thresholds)


@given(config=configs(), tp=st.sampled_from([1, 2, 4, 8]))
def test_more_layers_are_slower_and_larger(config: Config, tp: int) -> None:
    assert (np.diff(CORRECTED_RATES.tokens_per_s(config, GPU, tp)[1:]) < 0).all()
    assert (np.diff(CORRECTED_RATES.prefill_s(config, GPU, tp)[1:]) > 0).all()
    assert (np.diff(stage_memory_gb(config, tp)) > 0).all()


@given(config=configs(), tp=st.sampled_from([1, 2, 4]))
def test_more_gpus_are_faster_and_emptier(config: Config, tp: int) -> None:
    slow, fast = (CORRECTED_RATES.tokens_per_s(config, GPU, degree)[1:] for degree in (tp, 2 * tp))
    assert (fast > slow).all()
    assert (stage_memory_gb(config, 2 * tp) < stage_memory_gb(config, tp)).all()


@given(config=configs(), tp=st.sampled_from([1, 2, 4, 8]))
def test_without_output_there_is_only_prefill(config: Config, tp: int) -> None:
    silent = replace(config, output_length=0)
    rates = CORRECTED_RATES.tokens_per_s(silent, GPU, tp)[1:]
    assert rates == pytest.approx(config.sequence_length / CORRECTED_RATES.prefill_s(silent, GPU, tp)[1:])


@given(config=configs(), tp=st.sampled_from([1, 2, 4, 8]))
def test_more_key_value_heads_need_more_memory_and_time(config: Config, tp: int) -> None:
    assume(config.num_attention_heads > 8)
    few, many = (replace(config, num_key_value_heads=n) for n in (8, config.num_attention_heads))
    assert (stage_memory_gb(few, tp) < stage_memory_gb(many, tp)).all()
    slow, fast = (CORRECTED_RATES.tokens_per_s(own, GPU, tp)[1:] for own in (many, few))
    assert (fast >= slow).all()


@given(config=configs(), tp=st.sampled_from([1, 2, 4, 8]), memory_gb=st.floats(0.01, 200))
def test_the_range_is_what_memory_holds_and_fills(config: Config, tp: int, memory_gb: float) -> None:
    fewest, most = CORRECTED_RATES.layer_range(config, replace(GPU, memory_gb=memory_gb), tp)
    memory = stage_memory_gb(config, tp)
    held = [n for n in range(1, len(memory) + 1) if memory[n - 1] <= memory_gb]
    filled = [
        n
        for n in range(1, len(memory) + 1)
        if memory[n - 1] >= memory_gb * config.min_memory_utilization or n == len(memory)
    ]
    assert set(range(fewest, most + 1)) == set(held) & set(filled)
