"""DSPy's budgets, and plans."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.prompts.optimize.budget import (
    LEAST_ITERATIONS,
    Auto,
    Batch,
    CallSize,
    Shape,
    auto_metric_calls,
    busy_makespan_s,
    claimed_metric_calls,
    ideal_makespan_s,
    plan,
    proposals_left,
    proposals_per_iteration,
)

GEPA = pytest.importorskip("dspy.teleprompt.gepa.gepa")
SECOND = CallSize(100, 20, seconds=1.0, usd=0.5)
SHAPES = st.builds(
    Shape,
    metric_calls=st.integers(1, 500),
    train=st.integers(1, 60),
    validation=st.integers(1, 40),
    minibatch=st.integers(1, 5),
    proposals=st.integers(1, 12),
)


@pytest.mark.parametrize(
    ("auto", "predictors", "fixed", "each"),
    [
        ("light", 1, 380, 4), ("light", 2, 730, 6), ("light", 3, 1115, 8),
        ("medium", 1, 690, 5), ("medium", 2, 1040, 7), ("medium", 3, 1565, 10),
        ("heavy", 1, 1035, 7), ("heavy", 2, 1245, 8), ("heavy", 3, 1840, 12),
    ],
)  # fmt: skip
@pytest.mark.parametrize("validation", [0, 1, 3, 10, 100])
def test_the_budget_follows_the_mode_and_the_validation_examples_alone(
    auto: Auto, predictors: int, fixed: int, each: int, validation: int
) -> None:
    assert auto_metric_calls(auto, validation, predictors) == fixed + each * validation


@given(
    auto=st.sampled_from(["light", "medium", "heavy"]),
    validation=st.integers(0, 300),
    predictors=st.integers(1, 12),
)
def test_the_budget_is_dspys_own(auto: Auto, validation: int, predictors: int) -> None:
    stock = object.__new__(GEPA.GEPA)
    n = GEPA.AUTO_RUN_SETTINGS[auto]["n"]
    assert auto_metric_calls(auto, validation, predictors) == stock.auto_budget(predictors, n, validation)


def test_what_the_document_claims_is_true_of_three_examples_alone() -> None:
    assert claimed_metric_calls(3) == 384 == auto_metric_calls("light", 1)
    assert claimed_metric_calls(30) == 3840
    assert auto_metric_calls("light", 3) == 392


@pytest.mark.parametrize(("validation", "predictors"), [(-1, 1), (1, 0)])
def test_sizes_that_no_run_has_are_refused(validation: int, predictors: int) -> None:
    with pytest.raises(ValueError, match="validation examples"):
        auto_metric_calls("light", validation, predictors)


@given(st.integers(1, 200), st.integers(1, 8), st.integers(1, 300), st.integers(1, 2000))
def test_proposals_side_by_side_fit_threads_examples_and_budget(
    threads: int, minibatch: int, train: int, budget: int
) -> None:
    proposals = proposals_per_iteration(threads, minibatch, train, budget)

    def fits(count: int) -> bool:
        steps = 2 * minibatch * LEAST_ITERATIONS * count
        return count * minibatch <= threads and count <= math.ceil(train / minibatch) and steps <= budget

    assert proposals == 1 or fits(proposals)
    assert not fits(proposals + 1)


@given(st.integers(-50, 500), st.integers(1, 8), st.integers(1, 30))
def test_the_last_iteration_is_short(remaining: int, each: int, proposals: int) -> None:
    count = proposals_left(remaining, each, proposals)
    assert 1 <= count <= proposals
    assert each * count < max(remaining, 1) + each


def test_the_document_s_thirty_examples() -> None:
    shape = Shape(metric_calls=392, train=27, validation=3, minibatch=3, proposals=1)
    made = plan(shape, SECOND, SECOND, threads=1, counted_by="hand")
    assert (made.metric_calls, made.reflection_calls) == (393, 65)
    assert made.iterations == (44, 130)
    assert made.prompt_tokens == 458 * 100
    assert made.completion_tokens == 458 * 20
    assert made.usd == 458 * 0.5
    assert made.seconds == made.busy_s == 458.0


def test_twenty_threads_are_used() -> None:
    side_by_side = proposals_per_iteration(20, 3, 27, 392)
    free = CallSize(0, 0, seconds=0.0)
    made = plan(Shape(392, 27, 3, 3, side_by_side), SECOND, free, threads=20, counted_by="hand")
    assert side_by_side == 6
    assert made.metric_calls == 393
    assert made.busy_s / made.seconds > 0.8
    assert made.usd is None


@given(SHAPES)
def test_a_plan_keeps_to_its_budget(shape: Shape) -> None:
    made = plan(shape, SECOND, SECOND, threads=7, counted_by="hand")
    assert max(shape.metric_calls, shape.validation) <= made.metric_calls <= made.most_metric_calls
    assert made.metric_calls < max(shape.metric_calls, shape.validation) + 2 * shape.minibatch
    assert made.iterations[0] <= made.iterations[1]
    assert made.reflection_calls * 2 * shape.minibatch == made.metric_calls - shape.validation
    assert made.busy_s <= made.seconds + 1e-9


@given(
    st.lists(st.builds(Batch, st.sampled_from(["task", "reflection"]), st.integers(1, 50)), max_size=20),
    st.integers(1, 30),
)
def test_no_order_of_calls_beats_busy_threads(batches: list[Batch], threads: int) -> None:
    ideal = ideal_makespan_s(batches, threads, 1.0, 2.0)
    assert busy_makespan_s(batches, threads, 1.0, 2.0) <= ideal + 1e-9
    assert ideal <= ideal_makespan_s(batches, 1, 1.0, 2.0)
    assert ideal_makespan_s(batches, 1, 1.0, 2.0) == busy_makespan_s(batches, 1, 1.0, 2.0)
