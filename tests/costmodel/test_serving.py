"""A model on a row under an engine's settings: the parts agree with each other."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.costmodel.known_models import find_model
from harness.costmodel.serving import (
    Serving,
    capacity_of,
    device_memory_bytes,
    documented,
    rules_of,
    serve,
    step_time_of,
    usable_blocks,
)
from harness.costmodel.simulation import ClosedLoop, requests_of, simulate_continuous
from harness.errors import EXIT_INFEASIBLE, HarnessError
from harness.hardware import load_matrix

ROWS = load_matrix(Path(__file__).resolve().parents[2] / "hardware_matrix.toml").rows
QWEN = find_model("qwen3-4b")


def test_the_rows_table_is_taken_as_it_is_documented():
    serving = documented(QWEN, "bf16", ROWS["t4x2"])
    assert (serving.max_model_len, serving.tensor_parallel) == (8192, 2)
    serving = documented(QWEN, "bf16", ROWS["l4"])
    assert (serving.max_sequences, serving.max_batched_tokens) == (64, 16384)
    assert serving == replace(
        documented(QWEN, "bf16", ROWS["h100"]), row=ROWS["l4"]
    )  # the defaults are the same


def test_an_l4_has_room_for_about_21_sequences_beside_bf16_weights():
    """prompt-optimizers.md: "has ~21x concurrency limit"."""
    assert capacity_of(documented(QWEN, "bf16", ROWS["l4"])).max_concurrency == pytest.approx(21, abs=0.5)
    assert capacity_of(documented(QWEN, "fp8", ROWS["l4"])).max_concurrency > 25


def test_memory_is_the_rows_own_figure_or_what_the_driver_leaves():
    gib = 2**30
    assert device_memory_bytes(ROWS["l4"]) == 22 * gib
    assert device_memory_bytes(ROWS["t4"]) == int((ROWS["t4"].memory_gib - 0.5) * gib)


def test_serving_is_the_simulation_with_these_parts():
    serving = documented(QWEN, "fp8", ROWS["l4"])
    requests = requests_of(0.0, [300] * 40, 30)
    served = serve(serving, requests, closed=ClosedLoop(8))
    by_hand = simulate_continuous(
        requests,
        rules_of(serving),
        blocks=capacity_of(serving).blocks - 1,  # the null block holds nothing
        step_time=step_time_of(serving),
        closed=ClosedLoop(8),
    )
    assert served.completed_s.tolist() == by_hand.completed_s.tolist()


@pytest.mark.parametrize(
    "change",
    [
        {"prefix_caching": False},
        {"chunked_prefill": False},
        {"max_sequences": 5},
        {"max_batched_tokens": 4096},
    ],
)
def test_settings_reach_the_scheduler(change):
    serving = replace(Serving(QWEN, documented(QWEN, "fp8", ROWS["l4"]).weights, ROWS["l4"]), **change)
    rules = rules_of(serving)
    assert {name: getattr(rules, name) for name in change} == change


def test_what_does_not_fit_is_an_answer_with_a_way_out():
    serving = documented(find_model("llama-2-70b"), "fp16", ROWS["l4"])
    with pytest.raises(HarnessError, match=r"does not fit.*fewer bits") as refused:
        usable_blocks(serving)
    assert refused.value.exit_code == EXIT_INFEASIBLE
    assert refused.value.where == "l4"
