"""Sample sizes against simulation, splits that hold out enough, threads that have something to do."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.costmodel.known_models import find_model
from harness.costmodel.serving import capacity_of, documented
from harness.errors import EXIT_INFEASIBLE, HarnessError
from harness.hardware import load_matrix
from harness.prompts.examples import ExampleSet
from harness.prompts.generate import generate
from harness.prompts.sizing import (
    LEAST_EXAMPLES,
    LEAST_TRAIN,
    Stated,
    capacity_for,
    detectable_effect,
    evaluation_threads,
    examples_for,
    explain_split,
    split_three,
    useful_threads,
)

ROWS = load_matrix(Path(__file__).resolve().parents[2] / "hardware_matrix.toml").rows
QWEN = find_model("qwen3-4b")
POOL = generate(400, seed=11)


def first(n):
    return ExampleSet(POOL.types, POOL.examples[:n])


# --- examples ---


def test_five_points_at_a_standard_deviation_of_a_fifth_take_126_examples():
    assert examples_for(0.05, 0.2) == 126
    assert detectable_effect(126, 0.2) == pytest.approx(0.05, abs=2e-4)
    assert detectable_effect(1) == math.inf


def test_the_sample_size_has_the_power_it_promises():
    rng = np.random.default_rng(5)
    n = examples_for(0.1, 0.25)
    samples = rng.normal(0.1, 0.25, (4000, n))
    errors = samples.std(axis=1, ddof=1) / math.sqrt(n)
    assert np.mean(np.abs(samples.mean(axis=1)) > 1.96 * errors) == pytest.approx(0.8, abs=0.03)


@given(st.floats(0.001, 1.0), st.floats(0.01, 1.0), st.floats(0.5, 0.99), st.floats(0.5, 0.99))
def test_the_size_is_the_least_that_resolves_the_effect(effect, sd, confidence, power):
    options = {"confidence": confidence, "power": power}
    n = examples_for(effect, sd, **options)
    assert detectable_effect(n, sd, **options) <= effect * (1 + 1e-9)
    if n > 2:
        assert detectable_effect(n - 1, sd, **options) > effect * (1 - 1e-9)


@pytest.mark.parametrize(
    "wrong",
    [
        {"effect": 0.0},
        {"effect": -0.1},
        {"effect": math.nan},
        {"effect": math.inf},
        {"effect": 0.1, "sd": 0.0},
        {"effect": 0.1, "power": 1.0},
        {"effect": 0.1, "confidence": 0.0},
    ],
)
def test_what_no_number_of_examples_resolves_is_refused(wrong):
    with pytest.raises(HarnessError, match="allowed"):
        examples_for(**wrong)


@settings(max_examples=40, deadline=None)
@given(st.integers(LEAST_EXAMPLES, 400), st.sampled_from([0.02, 0.05, 0.1, 0.3]), st.integers(0, 9))
def test_a_split_in_three_shares_nothing_and_leaves_nothing_out(n, effect, seed):
    split = split_three(first(n), effect=effect, seed=seed)
    parts = (split.train, split.validation, split.test)
    found = [each.id for part in parts for each in part.examples]
    assert sorted(found) == sorted(each.id for each in POOL.examples[:n])
    sizes = [len(part.examples) for part in parts]
    assert sizes[0] >= max(LEAST_TRAIN, n // 4)
    assert 2 <= sizes[1] <= split.wanted
    assert sizes[1] <= sizes[2] <= min(split.wanted, sizes[1] + 1)
    assert split.is_enough == (sizes[1] == split.wanted)
    assert split == split_three(first(n), effect=effect, seed=seed)
    # what is left to learn from is more than it must be only where the effect is resolved
    assert split.is_enough or sizes[0] == max(LEAST_TRAIN, math.ceil(n / 4)) or sizes[2] == split.wanted


def test_with_examples_enough_both_held_out_parts_resolve_the_effect():
    split = split_three(first(400), effect=0.05, sd=0.2)
    assert [len(p.examples) for p in (split.train, split.validation, split.test)] == [148, 126, 126]
    assert split.is_enough
    assert max(split.resolved) <= 0.05
    assert "would take" not in explain_split(split)


def test_with_too_few_it_says_what_they_resolve():
    split = split_three(first(60))
    assert [len(p.examples) for p in (split.train, split.validation, split.test)] == [15, 22, 23]
    text = explain_split(split)
    assert "they resolve 11.9 and 11.7 points of F1" in text
    assert "5 points would take 126 each" in text


@pytest.mark.parametrize("n", [0, 1, 3, 6])
def test_what_cannot_be_held_out_is_refused_with_what_it_would_take(n):
    with pytest.raises(HarnessError, match=r"7 and more.*126 held out would resolve 5 points"):
        split_three(first(n))


# --- calls ---


@given(st.floats(0.1, 1e6), st.integers(1, 50), st.integers(1, 20), st.integers(0, 300), st.integers(1, 20))
def test_threads_are_bounded_by_the_server_and_by_the_work(
    capacity, minibatch, proposals, validation, accepted
):
    threads = useful_threads(capacity, minibatch, proposals, validation, accepted)
    work = max(minibatch * proposals, validation * accepted)
    assert 1 <= threads <= max(1, min(capacity, work))
    assert threads > min(capacity, work) - 1


def test_gepa_as_documented_keeps_three_threads_busy_however_many_examples():
    """Measured: a peak of 3 for 3, 10 and 30 examples."""
    assert {useful_threads(21.0, 3, 1, validation) for validation in (1, 1, 3)} == {3}
    assert useful_threads(21.0, 3, 7) == 21
    assert [evaluation_threads(21.0, n) for n in (3, 10, 30)] == [3, 10, 21]
    assert useful_threads(math.inf, 3, 4, 10) == 12


@pytest.mark.parametrize("capacity", [0.0, -1.0, math.nan])
def test_a_server_that_holds_nothing_is_refused(capacity):
    with pytest.raises(HarnessError, match="capacity"):
        useful_threads(capacity, 3)


def test_a_request_of_full_length_gives_the_documents_figure():
    """prompt-optimizers.md: "has ~21x concurrency limit" on an L4, with 16-bit weights."""
    found = capacity_for(ROWS["l4"], QWEN, "bf16", 4000, 96)
    assert found == pytest.approx(21, abs=0.5)
    assert found == pytest.approx(capacity_of(documented(QWEN, "bf16", ROWS["l4"])).max_concurrency, abs=0.01)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 2000), st.integers(1, 2000), st.sampled_from(["t4", "l4", "l40s"]))
def test_shorter_requests_and_more_memory_never_hold_less(prompt, answer, name):
    held = capacity_for(ROWS[name], QWEN, "fp8", prompt, answer)
    assert held <= documented(QWEN, "fp8", ROWS[name]).max_sequences
    assert held <= capacity_for(ROWS[name], QWEN, "fp8", max(1, prompt // 2), answer)
    assert held <= capacity_for(ROWS["l40s"], QWEN, "fp8", prompt, answer)


def test_what_the_server_states_goes_first():
    l4 = ROWS["l4"]
    assert capacity_for(l4, QWEN, "fp8", 900, 124, stated=Stated(kv_tokens=10_240)) == 10.0
    assert capacity_for(l4, QWEN, "fp8", 900, 124, stated=Stated(slots=4)) == 4
    assert capacity_for(l4, QWEN, "fp8", 900, 124, stated=Stated(kv_tokens=2_048, slots=4)) == 2.0
    assert capacity_for(l4, QWEN, "fp8", 900, 124, stated=Stated(kv_tokens=10**9, slots=1000)) == 1000


def test_the_host_serves_one_call_at_a_time_unless_its_server_says_more():
    assert capacity_for(ROWS["cpu"], QWEN, "q4_k_m", 900, 100) == 1
    assert capacity_for(ROWS["cpu"], QWEN, "q4_k_m", 900, 100, stated=Stated(slots=8)) == 8


@pytest.mark.parametrize("tokens", [(4000, 97), (0, 0)])
def test_a_request_that_the_server_would_refuse_is_refused(tokens):
    with pytest.raises(HarnessError, match=r"l4: a request of .* 1 to 4,096"):
        capacity_for(ROWS["l4"], QWEN, "fp8", *tokens)


def test_a_model_that_does_not_fit_is_infeasible():
    with pytest.raises(HarnessError, match=r"t4: .*does not fit") as caught:
        capacity_for(ROWS["t4"], find_model("llama-2-70b"), "fp16", 100, 100)
    assert caught.value.exit_code == EXIT_INFEASIBLE
