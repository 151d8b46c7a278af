"""The documents' deployments and loads as the modelled arms of benchmarks/serving."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.costmodel import trials
from harness.costmodel.known_models import find_model
from harness.costmodel.serving import documented
from harness.errors import EXIT_INFEASIBLE, HarnessError
from harness.hardware import load_matrix

ROWS = load_matrix(Path(__file__).resolve().parents[2] / "hardware_matrix.toml").rows
GPUS = [name for name, row in ROWS.items() if row.kind == "cuda"]
LOAD = trials.Load(requests=24, prompt_tokens=200, output_tokens=20, shared_tokens=100)


@given(st.integers(1, 50), st.integers(1, 400), st.integers(1, 200), st.floats(0, 1, exclude_max=True))
def test_lengths_stay_within_half_of_their_mean_and_never_change(requests, prompt, output, share):
    load = trials.Load(requests, prompt, output, int(share * prompt))
    prompts, answers = load.lengths()
    own = prompt - load.shared_tokens
    assert len(prompts) == len(answers) == requests
    assert all(max(1, own // 2) <= length - load.shared_tokens <= own * 1.5 + 1 for length in prompts)
    assert all(max(1, output // 2) <= length <= output * 1.5 + 1 for length in answers)
    assert load.lengths() == (prompts, answers)


def test_the_shared_part_is_one_prefix_group():
    sent = LOAD.sent_at_once()
    assert set(sent.prefix_tokens) == {100}
    assert set(sent.prefix_group) == {0}
    assert set(replace(LOAD, shared_tokens=0).sent_at_once().prefix_group) == {-1}


@pytest.mark.parametrize("name", GPUS)
def test_every_gpu_of_the_matrix_serves_the_documented_prompts(name):
    serving = trials.prompt_serving(ROWS[name])
    assert serving.weights.name == ("fp8" if float(ROWS[name].capability) >= 8.0 else "fp16")
    alone, together = (trials.closed_loop(serving, LOAD, threads) for threads in (1, 8))
    assert together["throughput"] > 1.5 * alone["throughput"]
    assert together["time_to_first_token_p90"] > alone["time_to_first_token_p90"]


def test_all_at_once_is_as_many_threads_as_requests():
    serving = trials.prompt_serving(ROWS["l4"])
    assert trials.at_once(serving, LOAD) == trials.closed_loop(serving, LOAD, LOAD.requests)


def test_a_batch_takes_memory_that_a_small_card_does_not_have():
    model = find_model("qwen2.5-14b")
    serving = documented(model, "nf4", ROWS["t4"])
    assert trials.in_batches(serving, trials.COMPANY_CALL, 1)["throughput"] > 0.0
    with pytest.raises(HarnessError, match="4 sequences") as refused:
        trials.in_batches(serving, trials.COMPANY_CALL, 4)
    assert refused.value.exit_code == EXIT_INFEASIBLE


@pytest.mark.parametrize(
    ("calls", "number"),
    [
        (trials.CompanyCalls(), 587),  # the guide: "550+"
        (trials.CompanyCalls(section_passes=2, deep_fields=25), 125),  # the guide: "115"
        (trials.CompanyCalls(section_passes=2, deep_fields=25, verification=False), 123),
    ],
)
def test_a_company_takes_as_many_calls_as_the_guides_formula_says(calls, number):
    assert calls.calls == number
    serving = documented(find_model("qwen2.5-14b"), "nf4", ROWS["a100_20gb"])
    one = trials.company(serving, trials.CompanyCalls(facilities=0))
    assert one["calls"] == 1
    assert trials.company(serving, calls)["company_time"] == pytest.approx(number * one["company_time"])


def test_keeping_every_attention_map_costs_time_and_memory():
    serving = documented(find_model("llama-2-7b"), "nf4", ROWS["t4"])
    work = trials.DetectionWork()
    few = trials.captured(serving, work, work.response)
    every = trials.captured(serving, work, work.tokens)
    assert few["samples_per_min"] > every["samples_per_min"]
    # 1,024 heads x 8,000 x 8,000 in 16 bits: 131 GB
    with pytest.raises(HarnessError, match="GiB") as refused:
        trials.captured(serving, trials.DetectionWork(tokens=8000), 8000)
    assert refused.value.exit_code == EXIT_INFEASIBLE
