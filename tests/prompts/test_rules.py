"""The rules of prompt-optimizers.md, number by number."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.hardware import load_matrix
from harness.prompts.examples import Example, ExampleSet
from harness.prompts.generate import TYPES
from harness.prompts.rules import (
    divergence_rule,
    get_num_threads,
    split_examples,
    split_set,
    threads_range,
)

ROWS = load_matrix(Path(__file__).resolve().parents[2] / "hardware_matrix.toml").rows


@given(st.integers(1, 10_000))
def test_a_remote_model_has_a_thread_for_each_example_up_to_20_the_local_one_has_one(n):
    assert get_num_threads(n, True) == min(n, 20)
    assert get_num_threads(n, False) == 1


@given(st.integers(max_value=0), st.booleans())
def test_no_examples_are_refused(n, remote):
    with pytest.raises(HarnessError, match=f"num_examples is {n}"):
        get_num_threads(n, remote)


def test_thread_ranges_are_in_the_matrix():
    """ "L4 GPU: 10-15 threads", "A10G: 20-30 threads", "L40s: 40-50 threads"; the local model has one."""
    stated = {name: found for name, row in ROWS.items() if (found := threads_range(row))}
    assert stated == {"cpu": (1, 1), "l4": (10, 15), "a10g": (20, 30), "l40s": (40, 50)}


@pytest.mark.parametrize(("n", "train", "validation"), [(10, 9, 1), (30, 27, 3), (100, 97, 3)])
def test_the_documents_own_examples(n, train, validation):
    assert [len(part) for part in split_examples(range(n))] == [train, validation]


@given(st.integers(2, 5_000))
def test_one_to_three_of_the_last_validate(n):
    train, validation = split_examples(range(n))
    assert train + validation == list(range(n))
    assert len(validation) == (1 if n < 20 else 2 if n < 30 else 3)


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_cannot_be_split(n):
    with pytest.raises(HarnessError, match="2 and more"):
        split_examples(range(n))


def test_a_set_is_split_likewise():
    examples = ExampleSet(TYPES, tuple(Example(str(n), f"text {n}", ()) for n in range(25)))
    train, validation = split_set(examples)
    assert train.types == validation.types == TYPES
    assert (train.examples, validation.examples) == (examples.examples[:23], examples.examples[23:])


# --- divergence ---


def test_a_drop_is_relative():
    """From 0.667 to 0.63 is 3.7 points, and a drop of 5.5 %."""
    ruling = divergence_rule([0.667] * 30, [0.63] * 30)
    assert ruling.judged.drop == pytest.approx(0.0555, abs=1e-4)
    assert ruling.failed
    assert ruling.advice == "optimize locally"


@pytest.mark.parametrize("n", [1, 2, 40])
def test_five_percent_itself_is_not_above_five_percent(n):
    higher, lower = [[20, 0, 0]] * n, [[19, 1, 1]] * n
    ruling = divergence_rule(higher, lower)
    assert ruling.judged.drop == 0.05
    assert not ruling.failed
    assert ruling.advice == "use the prompt as it is"


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 8)] * 2), min_size=1, max_size=20), st.integers(0, 3))
def test_the_estimate_decides_and_the_interval_stands_beside_it(pairs, seed):
    higher, lower = ([pair[arm] / 8 for pair in pairs] for arm in (0, 1))
    ruling = divergence_rule(higher, lower, seed=seed)
    if not sum(higher):
        assert not ruling.failed
        assert ruling.advice.startswith("optimize first")
        return
    assert ruling.failed == (20 * (sum(higher) - sum(lower)) > sum(higher) * (1 + 1e-12))
    # the measured rule never fails what the document's passes
    assert ruling.failed or ruling.judged.decision != "fail"


def test_the_document_decides_where_nothing_can_be_told():
    """Its own data: one validation example."""
    ruling = divergence_rule([0.667], [0.6])
    assert ruling.failed
    assert ruling.judged.decision == "inconclusive"
