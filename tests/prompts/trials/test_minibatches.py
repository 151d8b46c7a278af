"""A light run as a serving load: nothing is lost, batches wait for each other, spare threads are idle."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.costmodel import trials
from harness.hardware import load_matrix
from harness.prompts.trials import minibatches
from harness.prompts.trials.minibatches import (
    LOAD,
    MINIBATCH,
    answered_together,
    evaluation_load,
    minibatch_requests,
    modelled_together,
)

MATRIX = Path(__file__).resolve().parents[3] / "hardware_matrix.toml"


def test_a_minibatch_shares_its_instruction_and_no_other_has_it() -> None:
    requests = minibatch_requests(1)
    assert len(requests) == LOAD.requests == 384
    heads = [each.prompt[: LOAD.shared_tokens] for each in requests]
    assert all(len(set(heads[at : at + MINIBATCH])) == 1 for at in range(0, len(heads), MINIBATCH))
    assert len(set(heads)) == LOAD.requests / MINIBATCH
    assert [len(each.prompt) for each in requests] == LOAD.lengths()[0]
    assert not {each.prompt for each in requests} & {each.prompt for each in minibatch_requests(2)}


@given(count=st.integers(1, 40), together=st.integers(1, 6), threads=st.integers(1, 20))
def test_batches_wait_for_each_other(count: int, together: int, threads: int) -> None:
    batches: list[tuple[list[int], int]] = []

    def note(engine: object, requests: list[int], threads: int) -> list[int]:
        batches.append((requests, threads))
        return requests

    asked = list(range(count))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(minibatches, "answered_by_threads", note)
        assert answered_together(None, asked, threads, together) == asked  # type: ignore[arg-type, comparison-overlap]
    assert [len(requests) for requests, _ in batches[:-1]] == [MINIBATCH * together] * (len(batches) - 1)
    assert {used for _, used in batches} == {threads}


def test_threads_that_a_minibatch_cannot_use_change_nothing_and_minibatches_together_do() -> None:
    serving = trials.prompt_serving(load_matrix(MATRIX).row("l4"))
    stock = modelled_together(serving, 4, 1)
    assert modelled_together(serving, 20, 1) == stock
    assert modelled_together(serving, 2, 1)["throughput"] < stock["throughput"]
    assert modelled_together(serving, 20, 6)["throughput"] > 2 * stock["throughput"]


def test_an_evaluation_is_a_part_of_that_load() -> None:
    assert evaluation_load(3) == trials.Load(3, LOAD.prompt_tokens, LOAD.output_tokens, LOAD.shared_tokens)
